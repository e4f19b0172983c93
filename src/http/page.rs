//! Which part of a list is asked for, and the link to the next.

use std::borrow::Cow;
use std::fmt::Display;

use actix_web::http::header::LINK;
use actix_web::{HttpRequest, HttpResponse};
use form_urlencoded::Serializer;
use serde::Serialize;
use utoipa::ToSchema;

use super::body::{Pair, pairs};
use super::problem::{Code, Problem};
use super::shape::List;
use crate::domain::{Order, Page, Token};

/// Items on a page where nobody says.
pub(super) const LIST_DEFAULT: usize = 100;
/// Most items on a page.
pub(super) const LIST_LIMIT: usize = 1000;
/// The place before the first of a list.
pub(super) const BEGINNING: &str = "0";

/// The query string, decoded.
pub(super) struct Given<'q> {
    pairs: Vec<Pair<'q>>,
}

impl<'q> Given<'q> {
    pub(super) fn parse(query: &'q str) -> Result<Self, Problem> {
        let pairs: Option<Vec<_>> = pairs(query).collect();
        let pairs =
            pairs.ok_or_else(|| invalid("The query string has percent encoding that is not UTF-8"))?;
        Ok(Self { pairs })
    }

    /// The value of a parameter that may be given once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.pairs.iter().filter(|(given, _)| given == name).map(|(_, value)| &**value);
        let value = values.next();
        match values.next() {
            Some(_) => Err(invalid(format!("{name} is given twice"))),
            None => Ok(value),
        }
    }

    /// Which chats or messages are asked for.
    pub(super) fn numbers(&self) -> Result<Page<u64>, Problem> {
        let after = self.one("after")?.map(place).transpose()?;
        let before = self.one("before")?.map(place).transpose()?;
        Ok(Page { after, before, order: self.order()?, limit: self.limit()? })
    }

    /// Where the reader comes back to later: no further than its pages before said, so that a number which was still to
    /// come there is not passed by whoever goes on with `next` (law 10). Ascending lists only.
    pub(super) fn cursor(&self, page: &Page<u64>, listed: Option<u64>) -> Result<Option<u64>, Problem> {
        let held = self.one("cursor")?.map(place).transpose()?;
        let listed = listed.unwrap_or(0);
        let cursor = held.map_or(listed, |held| held.min(listed));
        Ok((page.order == Order::Ascending).then_some(cursor))
    }

    /// Which applications are asked for. Whether a cursor names one is for the store to say.
    pub(super) fn tokens(&self) -> Result<Page<Token>, Problem> {
        let after = self.one("after")?.filter(|text| *text != BEGINNING);
        let after = after.map(|text| Token::parse(text).ok_or_else(invalid_cursor)).transpose()?;
        let before = self.one("before")?;
        let before = before.map(|text| Token::parse(text).ok_or_else(invalid_cursor)).transpose()?;
        Ok(Page { after, before, order: self.order()?, limit: self.limit()? })
    }

    fn order(&self) -> Result<Order, Problem> {
        match self.one("order")? {
            None | Some("asc") => Ok(Order::Ascending),
            Some("desc") => Ok(Order::Descending),
            Some(_) => Err(invalid("order has to be asc or desc")),
        }
    }

    fn limit(&self) -> Result<usize, Problem> {
        limit(self.one("limit")?, LIST_DEFAULT, LIST_LIMIT)
    }

    /// One page of numbered things.
    pub(super) fn answer_numbers<T>(
        &self,
        request: &HttpRequest,
        order: Order,
        list: &List<T, u64>,
    ) -> HttpResponse
    where
        T: Serialize + ToSchema,
    {
        let held = list.cursor.filter(|cursor| list.next.is_some_and(|next| *cursor < next));
        self.answer(request, order, list, held)
    }

    /// One page, with the link to the next, which holds the cursor back where a number is still to come before it.
    pub(super) fn answer<T, C>(
        &self,
        request: &HttpRequest,
        order: Order,
        list: &List<T, C>,
        held: Option<u64>,
    ) -> HttpResponse
    where
        T: Serialize + ToSchema,
        C: Serialize + ToSchema + Display,
    {
        let mut response = HttpResponse::Ok();
        if let Some(next) = &list.next {
            response.insert_header((LINK, self.link(request, order, &next.to_string(), held)));
        }
        response.json(list)
    }

    /// `Link` to the next page: this request with another place.
    pub(super) fn link(&self, request: &HttpRequest, order: Order, next: &str, held: Option<u64>) -> String {
        let name = match order {
            Order::Ascending => "after",
            Order::Descending => "before",
        };
        let kept = self.pairs.iter().filter(|(given, _)| given != name && given != "cursor");
        let mut query = Serializer::new(String::new());
        query.extend_pairs(kept).append_pair(name, next);
        if let Some(cursor) = held {
            query.append_pair("cursor", &cursor.to_string());
        }
        format!("<{}?{}>; rel=\"next\"", request.uri().path(), query.finish())
    }
}

/// How many items are asked for.
pub(super) fn limit(given: Option<&str>, default: usize, most: usize) -> Result<usize, Problem> {
    let Some(text) = given else { return Ok(default) };
    let limit = digits(text).and_then(|limit| usize::try_from(limit).ok());
    let within = limit.filter(|limit| (1..=most).contains(limit));
    within.ok_or_else(|| invalid(format!("limit has to be a number from 1 to {most}")))
}

fn place(text: &str) -> Result<u64, Problem> {
    digits(text).filter(|place| i64::try_from(*place).is_ok()).ok_or_else(invalid_cursor)
}

/// Digits and nothing else; `parse` alone would take a sign.
fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

pub(super) fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(Code::InvalidParameter, detail)
}

pub(super) fn invalid_cursor() -> Problem {
    Problem::new(Code::InvalidCursor, "This is not a place in the list")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_page_without_parameters_is_the_first_hundred() {
        let page = Given::parse("").and_then(|given| given.numbers()).expect("a page");
        assert_eq!(page, Page { after: None, before: None, order: Order::Ascending, limit: 100 });
    }

    #[test]
    fn both_cursors_and_unknown_parameters_are_taken() {
        let given =
            Given::parse("after=0&before=9223372036854775807&order=desc&limit=1000&x=1&x=2").expect("pairs");
        let page = given.numbers().expect("a page");
        assert_eq!(
            page,
            Page { after: Some(0), before: Some(i64::MAX as u64), order: Order::Descending, limit: 1000 }
        );
    }

    #[test]
    fn what_is_no_page_is_refused() {
        let cases = [
            "limit=0",
            "limit=1001",
            "limit=-1",
            "limit=+1",
            "limit=%2B1",
            "limit=",
            "limit=1.0",
            "limit=99999999999999999999999",
            "limit=1&limit=1",
            "order=up",
            "order=",
            "order=asc&order=asc",
            "after=-1",
            "after=a",
            "after=",
            "after=9223372036854775808",
            "before=1&before=2",
            "after=%F0%9F%98%80",
            "x=%zz",
            "%ff=1",
            "limit=%00",
            "limit=\u{0663}",
        ];
        assert!(Given::parse("cursor=x").and_then(|given| given.cursor(&given.numbers()?, None)).is_err());
        for case in cases {
            assert!(Given::parse(case).and_then(|given| given.numbers()).is_err(), "{case}");
        }
    }

    #[test]
    fn applications_are_named_by_tokens_and_the_beginning_by_zero() {
        let token = Token::fresh().expect("random bits");
        let query = format!("after={token}&before={token}");
        let page = Given::parse(&query).and_then(|given| given.tokens()).expect("a page");
        assert_eq!((page.after, page.before), (Some(token.clone()), Some(token)));
        assert_eq!(Given::parse("after=0").and_then(|given| given.tokens()).expect("a page").after, None);
        for case in ["after=1", "before=0", "after=", "after=xyz"] {
            assert!(Given::parse(case).and_then(|given| given.tokens()).is_err(), "{case}");
        }
    }

    #[test]
    fn the_link_keeps_the_other_parameters() {
        let request = TestRequest::with_uri("/a/b?x=%26+1&after=3&limit=2").to_http_request();
        let given = Given::parse(request.query_string()).expect("pairs");
        let up = given.link(&request, Order::Ascending, "5", None);
        assert_eq!(up, "</a/b?x=%26+1&limit=2&after=5>; rel=\"next\"");
        let held = given.link(&request, Order::Ascending, "5", Some(4));
        assert_eq!(held, "</a/b?x=%26+1&limit=2&after=5&cursor=4>; rel=\"next\"");
        let down = given.link(&request, Order::Descending, "5", None);
        assert_eq!(down, "</a/b?x=%26+1&after=3&limit=2&before=5>; rel=\"next\"");
    }

    #[test]
    fn a_page_is_within_its_limits_or_refused_whatever_comes() {
        crate::tests::fuzz("pages", |input| {
            let Ok(query) = std::str::from_utf8(input) else { return };
            let refused = |problem: Problem| assert_eq!(problem.respond("r").status().as_u16(), 400);
            let given = match Given::parse(query) {
                Ok(given) => given,
                Err(problem) => return refused(problem),
            };
            match given.numbers() {
                Ok(page) => {
                    assert!((1..=LIST_LIMIT).contains(&page.limit));
                    let places = [page.after, page.before].into_iter().flatten();
                    assert!(places.into_iter().all(|place| i64::try_from(place).is_ok()));
                    if let Ok(cursor) = given.cursor(&page, Some(7)) {
                        assert!(cursor.is_none_or(|cursor| cursor <= 7), "it passes what is still to come");
                    }
                    // Whoever follows the link asks for the same, from the place that it names.
                    let request = TestRequest::with_uri("/a").to_http_request();
                    let link = given.link(&request, page.order, "5", Some(3));
                    assert!(link.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{link}");
                    let (_, next) = link.split_once('?').expect("a query");
                    let (next, _) = next.split_once('>').expect("its end");
                    let next = Given::parse(next).and_then(|given| given.numbers()).expect("a page");
                    let place = if page.order == Order::Ascending { next.after } else { next.before };
                    assert_eq!((place, next.order, next.limit), (Some(5), page.order, page.limit));
                }
                Err(problem) => refused(problem),
            }
            if let Err(problem) = given.tokens() {
                refused(problem);
            }
        });
    }
}
