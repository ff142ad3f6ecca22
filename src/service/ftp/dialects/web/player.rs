//! A film or a song as a page with the browser's own player, which asks for the ranges that it wants. Subtitles beside
//! it (`film.vtt`) are offered, too.

use super::path;
use crate::base::escape::html::escape;
use crate::report::Failure;
use crate::service::ftp::dialects::store::{Found, Store};
use crate::service::http::{Exchange, page};
use crate::wire::http::{Status, media_type};

/// `video` or `audio`, for what a browser may be able to play.
pub(super) fn element(name: &str) -> Option<&'static str> {
    let kind = media_type(name);
    ["video", "audio"].into_iter().find(|element| kind.starts_with(element))
}

/// Answers with the page.
pub(super) async fn show(store: &Store, exchange: &mut Exchange<'_>, name: &str) -> Result<(), Failure> {
    let element = element(name).unwrap_or("video");
    let last = name.rsplit('/').next().unwrap_or(name);
    let subtitles = name.rsplit_once('.').map(|(base, _)| format!("{base}.vtt")).unwrap_or_default();
    let track = match store.find(&subtitles).await {
        Ok(Found::File(_)) => {
            let file = subtitles.rsplit('/').next().unwrap_or(&subtitles);
            format!("<track default kind=subtitles src=\"./{}\">", path::segment(file))
        }
        _ => String::new(),
    };
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
