use super::fold::fold;
use super::*;

/// What people filed, and what they expect.
mod cases;
/// Highlights and snippets.
mod shown;
/// Over generated texts in many scripts.
mod properties;

fn look(body: &str, query: &str) -> Option<Look> {
    Query::parse(query).unwrap().look_at(body)
}

fn kind(body: &str, query: &str) -> Option<Kind> {
    look(body, query).map(|look| look.kind)
}

fn highlighted(body: &str, query: &str) -> Vec<(String, Kind)> {
    let look = look(body, query).unwrap_or_else(|| panic!("{query:?} is not found in {body:?}"));
    let text =
        |highlight: &Highlight| body.chars().skip(highlight.start).take(highlight.end - highlight.start);
    look.highlights.iter().map(|highlight| (text(highlight).collect(), highlight.kind)).collect()
}

fn words_of(body: &str) -> Vec<String> {
    let terms = terms(body);
    terms.words().map(str::to_owned).collect()
}

fn suffixes_of(body: &str) -> Vec<String> {
    let terms = terms(body);
    terms.suffixes().map(str::to_owned).collect()
}
