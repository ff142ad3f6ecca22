//! A folder as a page, and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::listing::{By, Order};
use super::{path, player};
use crate::base::Held;
use crate::base::escape::html::escape;
use crate::base::quantity::{show_duration, show_size};
use crate::report::Failure;
use crate::service::files::listing::Listing;
use crate::service::files::protocol::{Entry, EntryKind};
use crate::service::ftp::budgets::PAGES;
use crate::service::ftp::dialects::store::Store;
use crate::service::http::{Exchange, page};
use crate::wire::http::{Method, ResponseHead, Status, date};

/// Most rows of a page; more are in the JSON form, and in `ls`.
const ROWS_LIMIT: usize = 10_000;
/// Pages whose entries are read and put in order at once. Whoever reads slowly keeps nobody waiting, since a page is sent
/// after its turn.
static GATHERING: Semaphore = Semaphore::const_new(3);
/// Bytes of entries for which there is always room.
const SMALL_PAGE: usize = 64 << 10;
/// Bytes of a page that are written at once: the rows of a long page, as they are taken.
const PIECE: usize = 64 << 10;

/// Answers with the folder, which has its `/` at the end.
pub(super) async fn show(store: &Store, exchange: &mut Exchange<'_>, name: &str) -> Result<(), Failure> {
    if exchange.head.target.query_has("tar") {
        return super::tar::send(store, exchange, name).await;
    }
    let as_json = exchange.head.accepts("application/json") || exchange.head.target.query_has("json");
    if exchange.head.method == Method::Head {
        // What would be said is not made for it: that would read the folder.
        let kind = if as_json { "application/json" } else { "text/html; charset=utf-8" };
        let head =
            page::guarded(ResponseHead::new(Status::OK)).with("Content-Type", kind).with("Vary", "Accept");
        return exchange.reply_head(head.chunked()).await;
    }
    match store.list(name).await {
        Ok(listing) if as_json => json(store, exchange, listing).await,
        Ok(listing) => html(store, exchange, name, listing).await,
        Err(failure) => exchange.fail(&failure).await,
    }
}

/// One object: `{"entries":[{"name":…,"kind":"file","size":…,"modified":…,"href":…},…]}`, page by page as it is read.
async fn json(store: &Store, exchange: &mut Exchange<'_>, mut listing: Listing) -> Result<(), Failure> {
    let head = page::guarded(ResponseHead::new(Status::OK))
        .with("Content-Type", "application/json")
        .with("Cache-Control", "no-cache")
        .with("Vary", "Accept");
    exchange.begin(head.chunked()).await?;
    let mut text = String::from("{\"entries\":[");
    let mut first = true;
    while !listing.is_over() {
        for entry in store.next_entries(&mut listing).await? {
            text.push_str(if first { "\n" } else { ",\n" });
            write_object(&mut text, &entry);
            first = false;
        }
        exchange.send(&Bytes::from(std::mem::take(&mut text))).await?;
    }
    text.push_str("\n]}\n");
    exchange.send(&Bytes::from(text)).await?;
    exchange.end().await
}

/// In the order of the example above. There may be tens of thousands: no map is made for each.
fn write_object(out: &mut String, entry: &Entry) {
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let (name, href, size) = (text(&entry.name), text(&href(entry)), entry.size);
    let kind = if entry.is_folder() { "folder" } else { "file" };
    let modified = entry.modified / 1_000_000_000;
    let _infallible =
        write!(out, r#"{{"name":{name},"kind":"{kind}","size":{size},"modified":{modified},"href":{href}"#);
    if let EntryKind::Media(note) = &entry.kind {
        let (seconds, title) = (note.milliseconds as f64 / 1000.0, text(&note.title));
        let _infallible = write!(out, r#","seconds":{seconds},"title":{title}"#);
    }
    out.push('}');
}

fn href(entry: &Entry) -> String {
    // A name with a colon would be a scheme.
    format!("./{}{}", path::segment(&entry.name), if entry.is_folder() { "/" } else { "" })
}

async fn html(
    store: &Store,
    exchange: &mut Exchange<'_>,
    name: &str,
    mut listing: Listing,
) -> Result<(), Failure> {
    let turn = GATHERING.acquire().await;
    let all = listing.len();
    let mut entries = Vec::with_capacity(all.min(ROWS_LIMIT));
    while !listing.is_over() && entries.len() < ROWS_LIMIT {
        match store.next_entries(&mut listing).await {
            Ok(page) => entries.extend(page),
            Err(failure) => {
                drop(turn);
                return exchange.fail(&failure).await;
            }
        }
    }
    let left = listing.len();
    let order = Order::of(&exchange.head.target);
    // Where thousands of rows keep no other client waiting.
    let sort = move || {
        order.sort(&mut entries);
        entries
    };
    let entries = store.session.block(sort).await?;
    // Others may list now.
    drop((listing, turn));
    let (takes, shown) = (store.objection_to_writing().is_none(), entries.len());
    let page = Page { name: name.to_owned(), order, entries, shown, all, left, takes, as_read: false };
    page.answer(store, exchange).await
}

/// What the page shows.
struct Page {
    name: String,
    order: Order,
    entries: Vec<Entry>,
    /// Those that it has.
    shown: usize,
    /// Entries of the folder.
    all: usize,
    /// Those that the page has no room for.
    left: usize,
    /// Files may be uploaded.
    takes: bool,
    /// Its rows come in the order of their names, as they are read, and not in that which was wanted.
    as_read: bool,
}

impl Page {
    /// Answers with it. If there is no room for its entries, nothing is held of it, so that nobody is refused because of
    /// others.
    async fn answer(mut self, store: &Store, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
        let bytes = self.entries.iter().map(Entry::bytes_in_memory).sum();
        let held = if bytes > SMALL_PAGE { PAGES.take(bytes) } else { Some(Held::nothing(&PAGES)) };
        if held.is_some() {
            return self.send(exchange).await;
        }
        (self.entries, self.as_read) = (Vec::new(), true);
        self.send_as_read(store, exchange).await
    }

    /// Answers with it; one that is long is written as it is read, so that only its entries are held.
    async fn send(self, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
        let nonce = page::nonce();
        let head = page::head(Status::OK, &nonce).with("Vary", "Accept");
        let (mut rows, mut text) = (self.entries.iter(), self.before_rows(&nonce));
        if write_rows(&mut rows, &mut text) {
            return exchange.reply(head, text + &self.after_rows(&nonce)).await;
        }
        exchange.begin(head.chunked()).await?;
        let mut is_whole = false;
        while !is_whole {
            exchange.send(&Bytes::from(std::mem::take(&mut text))).await?;
            is_whole = write_rows(&mut rows, &mut text);
        }
        exchange.send(&Bytes::from(text + &self.after_rows(&nonce))).await?;
        exchange.end().await
    }

    /// Answers with the rows in the order of their names, as they are read.
    async fn send_as_read(mut self, store: &Store, exchange: &mut Exchange<'_>) -> Result<(), Failure> {
        let mut listing = match store.list(&self.name).await {
            Ok(listing) => listing,
            Err(failure) => return exchange.fail(&failure).await,
        };
        let nonce = page::nonce();
        exchange.begin(page::head(Status::OK, &nonce).with("Vary", "Accept").chunked()).await?;
        let mut text = self.before_rows(&nonce);
        (self.all, self.shown) = (listing.len(), 0);
        while !listing.is_over() && self.shown < ROWS_LIMIT {
            for entry in store.next_entries(&mut listing).await? {
                text.push_str(&row(&entry));
                self.shown += 1;
            }
            exchange.send(&Bytes::from(std::mem::take(&mut text))).await?;
        }
        self.left = listing.len();
        exchange.send(&Bytes::from(self.after_rows(&nonce))).await?;
        exchange.end().await
    }

    fn before_rows(&self, nonce: &str) -> String {
        let title =
            if self.name.is_empty() { "files" } else { self.name.rsplit('/').next().unwrap_or(&self.name) };
        let (base, style) = (page::STYLE, include_str!("folder.css"));
        let mut out = format!(
            "<!doctype html><html lang=en><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width, initial-scale=1\"><title>{}</title>\
             <style nonce={nonce}>{base}{style}</style><main>{}",
            escape(title),
            self.way(),
        );
        if self.takes {
            out += "<div class=drop id=drop><button id=choose>Upload files</button>\
                    <span class=soft> or drop them here; only new names are taken</span>\
                    <input type=file id=files multiple hidden><ul id=uploads aria-live=polite></ul></div>";
        }
        out += &self.head_of_table();
        out
    }

    fn after_rows(&self, nonce: &str) -> String {
        let mut out = String::from("</table>");
        if self.left > 0 {
            out += &format!(
                "<p class=soft>{} of {} entries are shown; <a href=\"?json\">all of them as JSON</a></p>",
                self.shown, self.all
            );
        }
        if self.shown > 0 {
            out += "<p><a href=\"?tar\" download>All of this folder as .tar</a></p>";
        }
        out += "</main>";
        if self.takes {
            out += &format!("<script nonce={nonce}>{}</script>", include_str!("folder.js"));
        }
        out
    }

    /// The folders on the way here, each a link.
    fn way(&self) -> String {
        let parts: Vec<&str> = self.name.split('/').filter(|part| !part.is_empty()).collect();
        let mut out = String::from("<h1><nav aria-label=path><a href=\"/\">files</a>");
        for (n, part) in parts.iter().enumerate() {
            let up = "../".repeat(parts.len() - 1 - n);
            let up = if up.is_empty() { "./" } else { &up };
            out += &format!(" / <a href=\"{up}\">{}</a>", escape(part));
        }
        out + "</nav></h1>"
    }

    fn head_of_table(&self) -> String {
        let mut out = String::from("<table><thead><tr>");
        for (by, name) in By::ALL {
            let (query, mark) = (self.order.query(by), self.mark(by));
            let zone = if by == By::Time { " (UTC)" } else { "" };
            out += &format!("<th class={name}><a href=\"{query}\">{name}{zone}{mark}</a>");
        }
        out += "<tbody>";
        if !self.name.is_empty() {
            out += "<tr class=up><td colspan=3><a href=\"../\">..</a>";
        }
        if self.as_read {
            out += "<tr><td colspan=3 class=soft>in the order of the names: too many read long pages now";
        } else if self.entries.is_empty() {
            out += "<tr><td colspan=3 class=soft>nothing here yet";
        }
        out
    }

    /// Which way the column is ordered.
    fn mark(&self, by: By) -> &'static str {
        match (self.order.by == by, self.order.descends) {
            (false, _) => "",
            (true, false) => " ↑",
            (true, true) => " ↓",
        }
    }
}

/// Writes rows up to the length of a piece; true if none is left.
fn write_rows<'e>(rows: &mut impl Iterator<Item = &'e Entry>, out: &mut String) -> bool {
    while out.len() < PIECE {
        let Some(entry) = rows.next() else { return true };
        out.push_str(&row(entry));
    }
    false
}

fn row(entry: &Entry) -> String {
    let (name, href) = (escape(&entry.name), escape(&href(entry)));
    let seconds = entry.modified / 1_000_000_000;
    let when = date::format(seconds);
    // "Sun, 06 Nov 1994 08:49:37 GMT" without the weekday, the seconds and the zone, which is in the tooltip.
    let short = when.get(5..22).unwrap_or(&when);
    let (size, kind, exact) = if entry.is_folder() {
        (String::new(), "folder", String::new())
    } else {
        (show_size(entry.size), "file", format!(" title=\"{} bytes\"", entry.size))
    };
    let slash = if entry.is_folder() { "/" } else { "" };
    let play = player::element(&entry.name).filter(|_| !entry.is_folder());
    let play = play.map_or_else(String::new, |_| {
        format!("<a class=play href=\"{href}?play\" title=\"play it here\">▶ play{}</a>", length(entry))
    });
    format!(
        "<tr class={kind}><td class=name><a href=\"{href}\">{name}{slash}</a>{play}<td class=size{exact}>{size}\
         <td class=time><time datetime=\"{seconds}\" title=\"{when}\">{short}</time>"
    )
}

/// How long a film lasts, and what its title is, where its container tells.
fn length(entry: &Entry) -> String {
    let EntryKind::Media(note) = &entry.kind else { return String::new() };
    let length = show_duration(Duration::from_secs(note.milliseconds / 1000));
    let length = if note.milliseconds == 0 { String::new() } else { format!(" {length}") };
    let title = if note.title.is_empty() { String::new() } else { format!(" {}", escape(&note.title)) };
    format!("{length}{title}")
}
