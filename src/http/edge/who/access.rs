//! Checks at compile time that the route table and a handler's signature name the same right.

use axum::extract::{Path, State};
use axum::handler::Handler;
use axum::http::{HeaderMap, Uri};

use crate::domain::access::rights::Right;
use crate::http::state::AppState;

/// Who may call a route, as the route table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without credentials: probes, the documentation, and requests with a proof of their own, such as a
    /// password or a signature.
    Public,
    /// Callers with this right.
    Has(Right),
}

impl Access {
    /// Whether a handler whose signature asks for this right lets in the same callers.
    pub const fn is_kept_by(self, asked: Option<Right>) -> bool {
        match (self, asked) {
            (Access::Public, asked) => matches!(asked, None | Some(Right::Anyone)),
            (Access::Has(right), Some(asked)) => right as u8 == asked as u8,
            (Access::Has(_), None) => false,
        }
    }
}

/// An argument of a handler, and the right that it asks of the caller. Every extractor has to say, so that none is
/// missed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether it asks the caller for a right",
    note = "an argument of a handler implements `Asks`: empty where it asks for none"
)]
pub trait Asks {
    /// None: the extractor does not look at the caller.
    const RIGHT: Option<Right> = None;
}

impl Asks for HeaderMap {}
impl Asks for State<AppState> {}
impl Asks for Uri {}
impl<T> Asks for Path<T> {}

/// axum names a handler by a tuple: a mark of its own, then the arguments.
macro_rules! arguments {
    ($(($($argument:ident),*)),+ $(,)?) => {$(
        impl<Mark, $($argument: Asks),*> Asks for (Mark, $($argument,)*) {
            const RIGHT: Option<Right> = the_one(&[$($argument::RIGHT),*]);
        }
    )+};
}

arguments! { (), (A), (A, B), (A, B, C), (A, B, C, D), (A, B, C, D, E), (A, B, C, D, E, F) }

const fn the_one(rights: &[Option<Right>]) -> Option<Right> {
    let (mut one, mut at) = (None, 0);
    while at < rights.len() {
        if rights[at].is_some() {
            assert!(one.is_none(), "a handler asks for one right");
            one = rights[at];
        }
        at += 1;
    }
    one
}

/// The right that a handler's signature asks for.
pub const fn right_of<H: Handler<Arguments, AppState>, Arguments: Asks>(_: &H) -> Option<Right> {
    Arguments::RIGHT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::edge::ask::extract::BusinessPath;
    use crate::http::edge::who::auth::{Administer, May, Read};

    #[test]
    fn signatures() {
        async fn nothing() {}
        async fn no_right(_: State<AppState>, _: Uri) {}
        async fn a_right(_: State<AppState>, _: May<Administer>, _: HeaderMap) {}
        async fn a_path(_: State<AppState>, _: BusinessPath<Read>) {}
        assert_eq!(right_of(&nothing), None);
        assert_eq!(right_of(&no_right), None);
        assert_eq!(right_of(&a_right), Some(Right::Administer));
        assert_eq!(right_of(&a_path), Some(Right::Read));
    }

    #[test]
    fn who_keeps_what() {
        let read = Access::Has(Right::Read);
        assert!(read.is_kept_by(Some(Right::Read)));
        assert!(!read.is_kept_by(Some(Right::Anyone)) && !read.is_kept_by(None));
        assert!(Access::Public.is_kept_by(None) && Access::Public.is_kept_by(Some(Right::Anyone)));
        assert!(!Access::Public.is_kept_by(Some(Right::Read)));
        assert!(!Access::Has(Right::Anyone).is_kept_by(None));
    }
}
