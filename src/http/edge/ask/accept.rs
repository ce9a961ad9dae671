//! Negotiates the media type of an answer from the `Accept` header (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, StatusCode, header};

use crate::http::edge::answer::error::Problem;

/// The offered media type that the caller prefers; offers come in the order of our own preference, which decides
/// between equals. Without the header any will do.
///
/// # Errors
/// 406 `not_acceptable` where the caller accepts none.
pub fn best<'a>(headers: &HeaderMap, offers: &[&'a str]) -> Result<&'a str, Problem> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<Range> = values.flat_map(|value| value.split(',')).filter_map(Range::parse).collect();
    let mut best = None;
    for offer in offers {
        let weight = weight_of(offer, &ranges);
        if weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, *offer));
        }
    }
    best.map(|(_, offer)| offer).ok_or_else(|| {
        let detail = format!("There is this as {}; ask for one of them in the Accept header.", offers.join(", "));
        Problem::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", detail)
    })
}

/// The weight of a type, in thousandths: the most specific range that contains it decides.
fn weight_of(offer: &str, ranges: &[Range]) -> u16 {
    if ranges.is_empty() {
        return 1_000;
    }
    let matching = ranges.iter().filter_map(|range| Some((range.specificity(offer)?, range.weight)));
    matching.max().map_or(0, |(_, weight)| weight)
}

struct Range {
    kind: String,
    subtype: String,
    weight: u16,
}

impl Range {
    /// Parses the part between two commas; `None` where it cannot be understood.
    fn parse(text: &str) -> Option<Range> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(Some(1_000), thousandths)?;
        Some(Range { kind: kind.to_ascii_lowercase(), subtype: subtype.to_ascii_lowercase(), weight })
    }

    /// How closely the range describes a type, if at all.
    fn specificity(&self, offer: &str) -> Option<u8> {
        let (kind, subtype) = offer.split_once('/')?;
        match (self.kind.as_str(), self.subtype.as_str()) {
            (own_kind, own_subtype) if own_kind == kind && own_subtype == subtype => Some(2),
            (own_kind, "*") if own_kind == kind => Some(1),
            ("*", "*") => Some(0),
            _ => None,
        }
    }
}

/// A weight as the header writes it: 0 to 1, at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = fraction.len() <= 3 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    match whole {
        "1" if is_number => Some(1_000),
        "0" if is_number => format!("{fraction:0<3}").parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    const OFFERS: [&str; 3] = ["application/json", "text/html", "application/pdf"];

    #[rstest]
    #[case(&[], Some("application/json"))]
    #[case(&[""], Some("application/json"))]
    #[case(&["*/*"], Some("application/json"))]
    #[case(&["application/*"], Some("application/json"))]
    #[case(&["text/html"], Some("text/html"))]
    #[case(&["Text/HTML; charset=utf-8"], Some("text/html"))]
    #[case(&["text/*"], Some("text/html"))]
    #[case(&["application/pdf"], Some("application/pdf"))]
    #[case(&["text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8"], Some("text/html"))]
    #[case(&["application/pdf;q=0.9, text/html;q=0.8, */*;q=0.1"], Some("application/pdf"))]
    #[case(&["application/json;q=0.5", "application/pdf;q=0.51"], Some("application/pdf"))]
    #[case(&["text/html, application/json"], Some("application/json"))]
    #[case(&["*/*, application/json;q=0"], Some("text/html"))]
    #[case(&["application/*;q=1, application/json;q=0.2, text/html;q=0.3"], Some("application/pdf"))]
    #[case(&["application/pdf;q=0"], None)]
    #[case(&["image/png"], None)]
    #[case(&["text/html;q=2, application/pdf"], Some("application/pdf"))]
    #[case(&["text/html;q=0.0001, application/pdf;q=0.001"], Some("application/pdf"))]
    fn preferences(#[case] accept: &[&'static str], #[case] expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_static(value));
        }
        let chosen = best(&headers, &OFFERS);
        assert_eq!(chosen.as_ref().ok().copied(), expected);
        if let Err(problem) = chosen {
            assert_eq!((problem.status, problem.code), (StatusCode::NOT_ACCEPTABLE, "not_acceptable"));
        }
    }
}
