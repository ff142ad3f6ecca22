//! Subtitles beside a film: `film.vtt` or `film.srt`. They are fetched whole before the player starts, and offered to
//! it in both formats (WebVTT, W3C 2019; SubRip has no standard, only a comma where WebVTT has a point).

use crate::service::files::subtitles::{SIZE_LIMIT, Subtitles};
use std::io::Read;
use std::time::{Duration, Instant};

use super::open::{Opened, open};
use super::plan::Plan;
use super::reception::Reception;
use super::store::Store;
use crate::language::Target;
use crate::net::udp;
use crate::report::Failure;
use crate::service::contract::dial;
use crate::service::contract::keys::Credentials;
use crate::service::stream::errors;
use crate::service::stream::protocol::{Message, Tempo};
use crate::session::Handle;
use crate::wire::Code;

/// How long a film waits for its subtitles.
const PATIENCE: Duration = Duration::from_secs(2);

/// The subtitles beside a film, if there are any and they come soon.
pub(crate) async fn beside(
    session: &Handle,
    server: Option<&Target>,
    key: &Credentials,
    film: &str,
) -> Option<Subtitles> {
    let server = server?;
    let (base, _) = film.rsplit_once('.')?;
    let one = |ending: &str| fetch(session, (server, key), format!("{base}.{ending}"));
    let both = async { tokio::join!(one("vtt"), one("srt")) };
    let (vtt, srt) = tokio::time::timeout(PATIENCE, both).await.ok()?;
    [vtt, srt].into_iter().filter_map(Result::ok).find_map(|bytes| Subtitles::read(&bytes))
}

/// A server, and the key that it is reached with.
type Keyed<'s> = (&'s Target, &'s Credentials);

/// Fetches a small file from the server, over a connection of its own.
async fn fetch(session: &Handle, (server, key): Keyed<'_>, name: String) -> Result<Vec<u8>, Failure> {
    let (mut connection, driver) =
        dial(server, crate::service::stream::protocol::ID, udp::Options::default(), key).await?;
    driver.into_iter().for_each(|driver| session.spawn(driver));
    let wish = Message::Open { name, tempo: Tempo::Free, parity: 0 };
    let Opened { size, early, dropped, .. } = match open(&mut connection, wish).await {
        Ok(opened) if opened.size <= SIZE_LIMIT => opened,
        refused => {
            // The film does not wait for that.
            session.spawn(async move { connection.outgoing.close(Code::Other, "").await });
            return Err(refused.err().unwrap_or_else(errors::subtitles_too_long));
        }
    };
    let failed = |error: std::io::Error| Failure::io(&error, "subtitles");
    let mut file = tempfile::tempfile().map_err(failed)?;
    let plan = Plan::new(size, u64::MAX, true, &dropped);
    let store = Store::new(file.try_clone().map_err(failed)?, size, plan, false);
    let mut viewing = Reception::new(session, connection, store.clone(), true, Instant::now());
    for (offset, bytes) in early {
        viewing.block(offset, &bytes)?;
    }
    viewing.run(None).await?;
    let hash = viewing.end.take().map(|end| end.hash);
    viewing.connection.outgoing.close(Code::Other, "").await;
    let text = session.block(move || {
        if hash != Some(*store.hash()?.as_bytes()) {
            return Err(errors::subtitles_damaged());
        }
        let mut text = Vec::new();
        std::io::Seek::rewind(&mut file).and_then(|()| file.read_to_end(&mut text)).map_err(failed)?;
        Ok(text)
    });
    text.await?
}
