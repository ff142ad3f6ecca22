//! A film or a song as a page with the browser's own player, which asks for the ranges that it wants. Subtitles beside
//! it (`film.vtt`, `film.srt`) are offered, too.

use super::path;
use crate::base::escape::html::escape;
use crate::report::Failure;
use crate::service::files::root::Source;
use crate::service::files::subtitles::{SIZE_LIMIT, Subtitles};
use crate::service::ftp::dialects::store::{Found, Store};
use crate::service::http::{Exchange, page};
use crate::wire::http::{ResponseHead, Status, media_type};

/// `video` or `audio`, for what a browser may be able to play.
pub(super) fn element(name: &str) -> Option<&'static str> {
    let kind = media_type(name);
    ["video", "audio"].into_iter().find(|element| kind.starts_with(element))
}

/// Answers with the page.
pub(super) async fn show(store: &Store, exchange: &mut Exchange<'_>, name: &str) -> Result<(), Failure> {
    let element = element(name).unwrap_or("video");
    let last = name.rsplit('/').next().unwrap_or(name);
    let track = track(store, name).await.unwrap_or_default();
    let (nonce, title, href) = (page::nonce(), escape(last), path::segment(last));
    let (base, style) = (page::STYLE, include_str!("player.css"));
    let text = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style nonce={nonce}>{base}{style}</style><main>\
         <{element} src=\"./{href}\" controls autoplay playsinline>{track}</{element}>\
         <h1>{title}</h1><p><a href=\"./\">back to the folder</a> · <a href=\"./{href}?download\" download>download</a></p>\
         <p class=soft>Another player takes the address of the file: mpv, VLC, a television.</p></main>"
    );
    exchange.reply(page::head(Status::OK, &nonce), text).await
}

/// The element for the subtitles beside a film; browsers read WebVTT only.
async fn track(store: &Store, name: &str) -> Option<String> {
    let (base, _) = name.rsplit_once('.')?;
    for (ending, query) in [("vtt", ""), ("srt", "?vtt")] {
        let subtitles = format!("{base}.{ending}");
        if let Ok(Found::File(_)) = store.find(&subtitles).await {
            let file = path::segment(subtitles.rsplit('/').next()?);
            return Some(format!("<track default kind=subtitles src=\"./{file}{query}\">"));
        }
    }
    None
}

/// Answers with a file of subtitles in the format of browsers.
pub(super) async fn subtitles(store: &Store, exchange: &mut Exchange<'_>, name: &str) -> Result<(), Failure> {
    let read = |source: Source| {
        let mut text = vec![0; source.size.min(SIZE_LIMIT) as usize];
        std::os::unix::fs::FileExt::read_exact_at(&source.file, &mut text, 0).ok()?;
        Subtitles::read(&text)
    };
    match store.find_and(name, read).await {
        Ok(Found::File(Some(subtitles))) => {
            let head =
                page::guarded(ResponseHead::new(Status::OK)).with("Content-Type", "text/vtt; charset=utf-8");
            exchange.reply(head, subtitles.vtt).await
        }
        Ok(_) => exchange.refuse(Status::NOT_FOUND, "it is no file of subtitles").await,
        Err(failure) => exchange.fail(&failure).await,
    }
}
