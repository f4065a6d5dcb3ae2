//! Diagnostics for people: the line, a caret, the reason and the way out. Colour only on a terminal.

use std::io::{IsTerminal, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use warpdrive_core::config::{ConfigErrors, Diagnostic, Place, Severity};

/// A file as it may be quoted.
pub(crate) struct Quoted {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Writes one line that begins with `error:`.
pub(crate) fn error(words: &str) {
    // Nowhere is left to report a failure of the error stream itself.
    let _ = writeln!(std::io::stderr(), "error: {words}");
}

/// Writes warnings to the error stream, and how many more there are.
pub(crate) fn print(diagnostics: &[Diagnostic], more: usize, quoted: Option<&Quoted>) {
    let renderer = renderer();
    let mut stderr = std::io::stderr().lock();
    for diagnostic in diagnostics {
        let text = render(&renderer, diagnostic, quoted.map(|quoted| (quoted.name.as_str(), quoted.text.as_str())));
        let _ = writeln!(stderr, "{text}\n");
    }
    if more > 0 {
        let noun = if more == 1 { "warning is" } else { "warnings are" };
        let _ = writeln!(stderr, "warning: {more} more {noun} not shown");
    }
}

/// Writes every mistake, and how many more there are.
pub(crate) fn print_errors(errors: &ConfigErrors) {
    let renderer = renderer();
    let mut stderr = std::io::stderr().lock();
    let quoted = errors.file().map(|file| (file, errors.masked_text()));
    for diagnostic in errors.iter() {
        let _ = writeln!(stderr, "{}\n", render(&renderer, diagnostic, quoted));
    }
    let mistakes =
        errors.iter().filter(|diagnostic| diagnostic.code.severity() == Severity::Error).count() + errors.more();
    let noun = if mistakes == 1 { "mistake" } else { "mistakes" };
    let more = if errors.more() > 0 { format!(", of which {} are not shown", errors.more()) } else { String::new() };
    let _ = writeln!(stderr, "error: the configuration has {mistakes} {noun}{more}");
}

fn renderer() -> Renderer {
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        Renderer::styled()
    } else {
        Renderer::plain()
    }
}

fn render(renderer: &Renderer, diagnostic: &Diagnostic, quoted: Option<(&str, &str)>) -> String {
    let level = match diagnostic.code.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
    let mut group = match (&diagnostic.place, quoted) {
        (Place::File(span), Some((name, text))) if span.end <= text.len() => {
            let mut snippet =
                Snippet::source(text).path(name).annotation(AnnotationKind::Primary.span(visible(span, text)));
            if let Some((related, role)) = &diagnostic.related {
                snippet = snippet.annotation(AnnotationKind::Context.span(visible(related, text)).label(role.as_str()));
            }
            title.element(snippet)
        }
        (Place::Variable(name), _) => {
            title.element(Origin::path(format!("environment variable {}", name.escape_debug())))
        }
        (_, Some((name, _))) => title.element(Origin::path(name)),
        (_, None) => title.elements(std::iter::empty::<Origin<'_>>()),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// At least one character, so that there is a caret, and at most the first line.
fn visible(span: &Range<usize>, text: &str) -> Range<usize> {
    let first_line =
        text.get(span.start..span.end).and_then(|part| part.find('\n')).map_or(span.end, |at| span.start + at);
    span.start..first_line.max(span.start + usize::from(span.start < text.len()))
}

/// One diagnostic as an editor reads it; absent things are null.
pub(crate) fn as_json(diagnostic: &Diagnostic, file: Option<&str>) -> Value {
    let (variable, span) = match &diagnostic.place {
        Place::Variable(name) => (Some(name.as_str()), None),
        Place::File(span) => (None, Some([span.start, span.end])),
        _ => (None, None),
    };
    let related = diagnostic.related.as_ref().map(|(span, role)| {
        json!({
            "message": role,
            "line": diagnostic.related_position.map(|(line, _)| line),
            "column": diagnostic.related_position.map(|(_, column)| column),
            "bytes": [span.start, span.end],
        })
    });
    json!({
        "code": diagnostic.code.as_str(),
        "severity": match diagnostic.code.severity() { Severity::Error => "error", Severity::Warning => "warning" },
        "message": diagnostic.message,
        "help": diagnostic.help,
        "file": file,
        "line": diagnostic.position.map(|(line, _)| line),
        "column": diagnostic.position.map(|(_, column)| column),
        "bytes": span,
        "variable": variable,
        "related": related,
    })
}
