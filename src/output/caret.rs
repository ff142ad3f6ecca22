//! Errors in a source text, with carets under the place.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use crate::base::escape::escape_line;
use crate::language::Report;
use crate::language::diagnostic::Diagnostic;

/// Bytes of the line that are shown before and after the place.
const CONTEXT: usize = 200;

/// Renders one error; the text ends with a newline.
pub(super) fn render(report: &Report, colour: bool) -> String {
    let Diagnostic { title, span, fix, hint, usage, .. } = &report.diagnostic;
    // What the words repeat of the text is not shown as it is; of the text itself the renderer takes care.
    let (title, name) = (escape_line(title), escape_line(&report.source.name));
    let text = &report.source.text;
    let line_start = text[..span.start.min(text.len())].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[span.start.min(text.len())..].find('\n').map_or(text.len(), |at| span.start + at);
    // Of a very long line only the part around the place is shown.
    let start = text.floor_char_boundary(line_start.max(span.start.saturating_sub(CONTEXT)));
    let end = text.ceil_char_boundary(line_end.min(span.end.min(line_end) + CONTEXT));
    let shown = text[start..end].trim_end_matches('\r');
    let place = (span.start - start).min(shown.len())..(span.end.min(line_end) - start).min(shown.len());
    let label = report.diagnostic.expectation();
    let label = escape_line(&label);
    let annotation = AnnotationKind::Primary.span(place);
    let snippet = Snippet::source(shown)
        .path(&*name)
        .line_start(report.source.line(span.start))
        .annotation(if label.is_empty() { annotation } else { annotation.label(&*label) });
    let mut group = Level::ERROR.primary_title(&*title).element(snippet);
    let help = fix.as_ref().map(|fix| format!("did you mean `{}`?", escape_line(fix)));
    if let Some(help) = &help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    if let Some(hint) = hint {
        group = group.element(Level::HELP.message(*hint));
    }
    let usage = usage.as_ref().map(|usage| format!("usage: {}", escape_line(usage)));
    if let Some(usage) = &usage {
        group = group.element(Level::NOTE.message(usage.as_str()));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    format!("{}\n", renderer.decor_style(DecorStyle::Ascii).render(&[group]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Source;

    #[test]
    fn the_caret_stands_under_the_words() {
        let source = Source::new("t.nls", "print a\nsned x to :1\n");
        let diagnostic = Diagnostic::new("unknown command: sned", 8..12)
            .expected(["a command".into()])
            .fix("send".to_owned());
        let text = render(&Report { source, diagnostic }, false);
        assert!(text.contains("t.nls:2:1"), "{text}");
        assert!(text.contains("^^^^ expected a command"), "{text}");
        assert!(text.contains("did you mean `send`?"), "{text}");
    }

    #[test]
    fn what_the_words_repeat_of_a_text_does_not_move_the_cursor() {
        let hostile = "\u{1b}[2J";
        let mut diagnostic = Diagnostic::new(format!("unknown {hostile}"), 0..1)
            .expected([format!("an {hostile}")])
            .fix(format!("a {hostile}"));
        diagnostic.usage = Some(format!("use {hostile}").into());
        for colour in [false, true] {
            let text =
                render(&Report { source: Source::new(hostile, "x"), diagnostic: diagnostic.clone() }, colour);
            assert!(!text.contains(hostile) && text.matches("\\x1b[2J").count() == 5, "{text}");
        }
    }

    #[test]
    fn any_span_of_any_text_is_drawn() {
        for text in ["", "a", "é🙂\tx\n\n", "\u{1b}[2Jx", &"x".repeat(5000)] {
            for start in 0..=text.len().min(40) {
                if text.is_char_boundary(start) {
                    let report = Report {
                        source: Source::new("t", text),
                        diagnostic: Diagnostic::new("title", start..text.len()),
                    };
                    assert!(!render(&report, false).contains('\u{1b}'));
                }
            }
        }
    }
}
