//! Pages that need nothing but a browser: foreign text made safe for them, one look, no script, no other file.

/// The look of every page: readable on a screen of 1280 and of 390 pixels, in light and in dark, and on paper.
const STYLE: &str = "\
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #59636e; --paper: #ffffff; --card: #f6f8fa; --rule: #d1d9e0;
  --good: #1a7f37; --bad: #c4001a; --warn: #9a6700; --link: #0b5cad }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --paper: #0d1117; --card: #161b22;
  --rule: #3d444d; --good: #57d364; --bad: #ff7b72; --warn: #e3b341; --link: #6cb6ff } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 1200px; padding: 24px 24px 64px; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px } h2 { font-size: 21px; margin: 40px 0 12px; padding-top: 16px;
  border-top: 1px solid var(--rule) } h3 { font-size: 16px; margin: 28px 0 8px }
p { margin: 8px 0 } .p-soft { color: var(--soft) } a { color: var(--link) }
code, pre { font: 13px/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace }
pre { margin: 8px 0; padding: 12px 16px; background: var(--card); border: 1px solid var(--rule); border-radius: 6px;
  overflow-x: auto; white-space: pre } pre.p-wrap { white-space: pre-wrap }
.p-wide { overflow-x: auto; border: 1px solid var(--rule); border-radius: 6px }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; overflow-wrap: normal }
th, td { text-align: left; padding: 7px 12px; border-top: 1px solid var(--rule); white-space: nowrap; vertical-align: top }
thead th { border-top: 0; background: var(--card); font-size: 13px; color: var(--soft); font-weight: 600 }
.p-number { text-align: right } td.p-flow { white-space: normal; min-width: 220px; overflow-wrap: anywhere }
.p-good { color: var(--good); font-weight: 600 } .p-bad { color: var(--bad); font-weight: 600 }
.p-warn { color: var(--warn); font-weight: 600 }
.p-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 16px }
figure { margin: 0; padding: 8px; border: 1px solid var(--rule); border-radius: 6px; overflow-x: auto }
figure svg { display: block; width: 100%; height: auto } .p-scroll svg { min-width: 760px; max-width: 960px; margin: 0 auto }
details { margin: 8px 0 } summary { cursor: pointer; color: var(--link) }
.p-tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px 0 }
.p-tile { flex: 1 1 128px; padding: 10px 14px; background: var(--card); border: 1px solid var(--rule); border-radius: 6px }
.p-tile b { display: block; white-space: nowrap; font-size: 24px; line-height: 1.3 } .p-tile span { color: var(--soft); font-size: 13px }
.p-case { margin: 12px 0; padding: 10px 16px; border: 1px solid var(--rule); border-left: 4px solid var(--bad);
  border-radius: 6px } .p-flaky { border-left-color: var(--warn) }
.p-case h3 { margin: 0 0 4px } .p-pair { display: grid; gap: 0 12px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 320px), 1fr)) }
@media (max-width: 600px) { body { padding: 16px 14px 48px; font-size: 15px } h1 { font-size: 23px } }
@media print { .p-wide, figure, pre { break-inside: avoid } details > * { display: block } }
";

/// Text that is safe in an element and in a quoted attribute: it stays text, whoever wrote it. What a terminal must not
/// get is shown as a visible escape here, too; newline and tab are kept.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for sign in super::escape(text).chars() {
        match sign {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no form for these.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(sign),
        }
    }
    out
}

/// A whole page. `title` is text, `body` is HTML.
pub fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// A table. The heads are text, and say where numbers stand; the cells are HTML.
pub fn table(heads: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let cell = |tag: &str, align: Align, inner: &str| match align.class() {
        "" => format!("<{tag}>{inner}</{tag}>"),
        class => format!("<{tag} class=\"{class}\">{inner}</{tag}>"),
    };
    let head: String = heads.iter().map(|(name, align)| cell("th", *align, &escape(name))).collect();
    let mut out = format!("<div class=\"p-wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
    for row in rows {
        let cells: String =
            heads.iter().zip(row).map(|((_, align), inner)| cell("td", *align, inner)).collect();
        out.push_str(&format!("<tr>{cells}</tr>\n"));
    }
    out + "</tbody>\n</table></div>\n"
}

/// Where the text of a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// At the left, on one line.
    Left,
    /// At the left, over several lines if need be.
    Flow,
    /// At the right.
    Number,
}

impl Align {
    const fn class(self) -> &'static str {
        match self {
            Self::Left => "",
            Self::Flow => "p-flow",
            Self::Number => "p-number",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_text() {
        let hostile = "</title><script>alert(\"1\" + '2') && 3</script>\u{1b}[31m\u{0}\u{202e}\u{ffff}\n";
        let safe = escape(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{1b}', '\u{0}', '\u{202e}', '\u{ffff}']), "{safe}");
        assert!(
            safe.starts_with("&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot; + &#39;2&#39;) &amp;&amp; 3"),
            "{safe}"
        );
        assert!(safe.contains("\\x1b[31m\\x00") && safe.ends_with('\n'), "{safe}");
    }

    #[test]
    fn a_page_loads_nothing_and_runs_nothing() {
        let rows = [vec![escape("<b>"), "1".into()]];
        let body = table(&[("na<me", Align::Left), ("n", Align::Number)], &rows);
        let page = page("<script>", &body);
        assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("href="), "{page}");
        assert!(page.contains("<th>na&lt;me</th><th class=\"p-number\">n</th>"), "{page}");
        assert!(page.contains("<td>&lt;b&gt;</td><td class=\"p-number\">1</td>"), "{page}");
    }
}
