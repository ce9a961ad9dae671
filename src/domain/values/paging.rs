//! Defines page limits, cursors and pages of lists.

use std::str::FromStr;

use super::named_enum::deserialize_from_str;

/// The number of rows on a page: 1 to 1000, 50 by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(u16);

impl Limit {
    const MAX: u16 = 1_000;
    pub const LARGEST: Limit = Limit(Limit::MAX);

    pub const fn get(self) -> usize {
        self.0 as usize
    }

    /// One row more than the page: if it exists, another page follows.
    pub const fn with_lookahead(self) -> i64 {
        self.0 as i64 + 1
    }
}

impl Default for Limit {
    fn default() -> Limit {
        Limit(50)
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        match text.parse::<u16>() {
            Ok(limit) if (1..=Limit::MAX).contains(&limit) && !text.starts_with('+') => Ok(Limit(limit)),
            _ => Err(format!("must be a whole number from 1 to {}", Limit::MAX)),
        }
    }
}

/// The position of the next page, in a list from the newest down: below this number. Callers take it from the `Link`
/// header as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(i64);

impl Cursor {
    /// Before the newest row.
    pub const START: Cursor = Cursor(i64::MAX);

    pub const fn below(position: i64) -> Cursor {
        Cursor(position)
    }

    pub const fn position(self) -> i64 {
        self.0
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "c{:x}", self.0)
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Cursor, String> {
        text.strip_prefix('c')
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| i64::from_str_radix(digits, 16).ok())
            .filter(|position| *position > 0)
            .map(Cursor)
            .ok_or_else(|| "must be taken unchanged from the Link header of the page before".to_owned())
    }
}

/// The position of the next page of a wallet's history: below this `seq` of the ledger, and below this position among
/// payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryCursor {
    pub seq: i64,
    pub payment: i64,
}

impl HistoryCursor {
    /// Before the newest of both.
    pub const START: HistoryCursor = HistoryCursor { seq: i64::MAX, payment: i64::MAX };
}

impl std::fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.payment {
            i64::MAX => Cursor(self.seq).fmt(f),
            payment => write!(f, "{}-{}", Cursor(self.seq), Cursor(payment)),
        }
    }
}

impl FromStr for HistoryCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<HistoryCursor, String> {
        let (seq, payment) = text.split_once('-').map_or((text, None), |(seq, payment)| (seq, Some(payment)));
        let payment = payment.map(str::parse).transpose()?.unwrap_or(Cursor::START);
        Ok(HistoryCursor { seq: seq.parse::<Cursor>()?.0, payment: payment.0 })
    }
}

deserialize_from_str!(Limit, Cursor, HistoryCursor);

/// A page of a list, and the position of the next one, if there is one.
#[derive(Debug)]
pub struct Page<T, C = Cursor> {
    pub items: Vec<T>,
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// The page with other items.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U, C> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

impl<T> Page<T> {
    /// A page from rows read with [`Limit::with_lookahead`]; `position` returns a row's position in the list.
    pub fn from_lookahead(mut rows: Vec<T>, limit: Limit, position: impl Fn(&T) -> i64) -> Page<T> {
        let has_more = rows.len() > limit.get();
        rows.truncate(limit.get());
        let next = rows.last().filter(|_| has_more).map(|last| Cursor::below(position(last)));
        Page { items: rows, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits() {
        assert_eq!("1000".parse(), Ok(Limit(1000)));
        for bad in ["0", "1001", "-1", "+5", "1.5", "ten", "99999999999"] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cursors_survive_text() {
        let cursor = Cursor::below(123_456);
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "c", "c0", "c-1", "c+1", "x1", "cfffffffffffffffff"] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn cursors_of_two_lists_survive_text() {
        for cursor in [HistoryCursor { seq: 2, payment: i64::MAX }, HistoryCursor { seq: i64::MAX, payment: 7 }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        assert_eq!(HistoryCursor { seq: 2, payment: i64::MAX }.to_string(), "c2");
        for bad in ["", "c2-", "-c2", "c2-7", "c2-c0", "c2-c3-c4"] {
            assert!(bad.parse::<HistoryCursor>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_next_page_only_where_a_row_is_left() {
        let limit = Limit(2);
        assert_eq!(Page::from_lookahead(vec![9, 8], limit, |row| *row).next, None);
        assert_eq!(Page::from_lookahead(vec![9, 8, 7], limit, |row| *row).next, Some(Cursor(8)));
    }
}
