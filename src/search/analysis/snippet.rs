use unicode_segmentation::GraphemeCursor;

use super::look::Highlight;

/// Longest snippet, in code points of the body and ellipses; marks and escapes do not count.
pub const SNIPPET_LIMIT_CODE_POINTS: usize = 160;

/// Code points shown before the first highlight, where there are enough after it.
const LEAD_CODE_POINTS: usize = 50;
/// How far a cut moves to fall between words.
const REACH_CODE_POINTS: usize = 16;

/// The part of the body around the first highlight.
pub(super) fn snippet(body: &str, highlights: &[Highlight]) -> String {
    let window = Window::around(body, highlights.first());
    let shown = body.chars().enumerate().skip(window.start).take(window.end - window.start);
    let mut snippet = String::with_capacity(2 * SNIPPET_LIMIT_CODE_POINTS);
    if window.start > 0 {
        snippet.push('…');
    }
    let mut coming = highlights.iter().filter(|highlight| highlight.end > window.start).peekable();
    let mut open_until = None;
    for (at, character) in shown {
        if open_until == Some(at) {
            snippet.push_str("</mark>");
            open_until = None;
        }
        if open_until.is_none()
            && let Some(highlight) = coming.next_if(|highlight| highlight.start <= at)
        {
            snippet.push_str("<mark>");
            open_until = Some(highlight.end);
        }
        push_escaped(&mut snippet, character);
    }
    if open_until.is_some() {
        snippet.push_str("</mark>");
    }
    if window.cut_after {
        snippet.push('…');
    }
    snippet
}

fn push_escaped(snippet: &mut String, character: char) {
    match character {
        '&' => snippet.push_str("&amp;"),
        '<' => snippet.push_str("&lt;"),
        '>' => snippet.push_str("&gt;"),
        '"' => snippet.push_str("&quot;"),
        '\'' => snippet.push_str("&#39;"),
        other => snippet.push(other),
    }
}

/// Code points of the body, end excluded.
struct Window {
    start: usize,
    end: usize,
    cut_after: bool,
}

impl Window {
    fn around(body: &str, first: Option<&Highlight>) -> Self {
        let length = body.chars().count();
        if length <= SNIPPET_LIMIT_CODE_POINTS {
            return Self { start: 0, end: length, cut_after: false };
        }
        let (match_start, match_end) = first.map_or((0, 0), |highlight| (highlight.start, highlight.end));
        let room = SNIPPET_LIMIT_CODE_POINTS - 2;
        let start = match_start.saturating_sub(LEAD_CODE_POINTS).min(length - room);
        let end = (start + room).min(length);
        let edges = Edges { body, bytes: body.char_indices().map(|(at, _)| at).collect() };
        let start = if start == 0 { 0 } else { edges.begin_at(start, match_start) };
        let end = if end == length { length } else { edges.stop_at(end, match_end.clamp(start, end)) };
        Self { start, end, cut_after: end < length }
    }
}

/// Where a body can be cut.
struct Edges<'a> {
    body: &'a str,
    bytes: Vec<usize>,
}

impl Edges<'_> {
    /// The first good place at or after `place`, not after `latest`.
    fn begin_at(&self, place: usize, latest: usize) -> usize {
        let near = place..=latest.min(place + REACH_CODE_POINTS);
        let word = near.clone().find(|&at| self.space_at(at - 1) && !self.space_at(at));
        word.or_else(|| near.clone().find(|&at| self.between_graphemes(at))).unwrap_or(place)
    }

    /// The last good place at or before `place`, not before `earliest`.
    fn stop_at(&self, place: usize, earliest: usize) -> usize {
        let near = earliest.max(place.saturating_sub(REACH_CODE_POINTS))..=place;
        let word = near.clone().rev().find(|&at| self.space_at(at) && at > 0 && !self.space_at(at - 1));
        word.or_else(|| near.clone().rev().find(|&at| self.between_graphemes(at))).unwrap_or(place)
    }

    fn space_at(&self, place: usize) -> bool {
        let rest = self.bytes.get(place).and_then(|&byte| self.body.get(byte..));
        rest.and_then(|rest| rest.chars().next()).is_some_and(char::is_whitespace)
    }

    fn between_graphemes(&self, place: usize) -> bool {
        let Some(&byte) = self.bytes.get(place) else {
            return true;
        };
        GraphemeCursor::new(byte, self.body.len(), true).is_boundary(self.body, 0).unwrap_or(true)
    }
}
