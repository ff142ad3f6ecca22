//! PUT (RFC 9110, section 9.3.4): a new file, under the same rules as with `send`.

use super::path;
use crate::report::Failure;
use crate::service::ftp::dialects::store::Store;
use crate::service::http::{Exchange, guard, page};
use crate::wire::http::{EntityTag, Precondition, ResponseHead, Status, Validators, decide};

/// Receives the file that the body is.
pub(super) async fn put(store: &Store, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
    if let Some(why) = guard::objection_to_writing(&exchange.head) {
        return exchange.refuse(Status::FORBIDDEN, why).await;
    }
    if exchange.head.headers.get("content-range").is_some() {
        return exchange.refuse(Status::BAD_REQUEST, "a file comes whole: without Content-Range").await;
    }
    if exchange.head.headers.get("content-encoding").is_some_and(|coding| coding != "identity") {
        return exchange
            .refuse(Status::UNSUPPORTED_MEDIA_TYPE, "a file comes as it is: without Content-Encoding")
            .await;
    }
    let says_length = |field| exchange.head.headers.get(field).is_some();
    if !says_length("content-length") && !says_length("transfer-encoding") {
        // It would be an empty file, whatever follows (RFC 1945, section 7.2.2).
        return exchange.refuse(Status::LENGTH_REQUIRED, "say how long the file is: Content-Length").await;
    }
    let name = match path::name(&exchange.head.target) {
        Ok(name) if !name.is_empty() && !exchange.head.target.is_folder() => name,
        Ok(_) => return exchange.refuse(Status::BAD_REQUEST, "name the file in the URL").await,
        Err(error) => return exchange.refuse(error.status, error.why).await,
    };
    // New names only: a client that wants to replace a certain state is told that it cannot.
    let nothing = Validators { tags: &[], modified: 0 };
    if decide(exchange.head.method, &exchange.head.headers, &nothing) == Precondition::Failed {
        return exchange.refuse(Status::PRECONDITION_FAILED, "only new files are stored here").await;
    }
    match receive(store, exchange, &name).await {
        Ok((status, tag, text)) => {
            let head =
                page::guarded(ResponseHead::new(status)).with("ETag", tag).with("Content-Type", page::TEXT);
            exchange.reply(head, text).await
        }
        Err(failure) => {
            store.refused(&name, &failure);
            exchange.fail(&failure).await
        }
    }
}

/// The status, the tag and the words for a file that was stored.
async fn receive(
    store: &Store,
    exchange: &mut Exchange<'_>,
    name: &str,
) -> Result<(Status, String, String), Failure> {
    let mut receiving = store.receive(name, exchange.declared()).await?;
    while let Some(bytes) = exchange.read().await? {
        receiving.write(bytes).await?;
    }
    let stored = receiving.finish().await?;
    let (status, word) =
        if stored.there { (Status::OK, "already there") } else { (Status::CREATED, "stored") };
    let hash = stored.hash.to_hex();
    let text = format!("{word}, {} bytes, blake3 {hash}\n", stored.bytes);
    Ok((status, EntityTag::strong(hash.as_str()).to_string(), text))
}
