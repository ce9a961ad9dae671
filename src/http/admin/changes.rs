//! Reads what all admin changes share: the reason, the dry run of an import, refused CSV lines.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::access::rights::{Credential, Right, Tenant};
use crate::domain::audit::Author;
use crate::domain::values::csv::RefusedLine;
use crate::domain::values::sid::UserSid;
use crate::domain::values::text::Reason;
use crate::domain::values::versions::Seen;
use crate::http::edge::answer::error::Problem;
use crate::http::edge::ask::etag::IfMatch;
use crate::http::edge::ask::extract::{self, Flag, InPath, Query, SidPath};
use crate::http::edge::who::access::Asks;
use crate::http::edge::who::auth::{Administer, May};
use crate::http::state::AppState;

/// Why something is changed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReasonQuery {
    /// The reason, for the audit log: at most 255 characters.
    #[param(value_type = Option<String>, example = "New price list")]
    reason: Option<Reason>,
}

impl ReasonQuery {
    pub fn author(self, may: May<Administer>) -> Author {
        Author { actor: may.actor, reason: self.reason }
    }
}

/// A change or deletion by an admin: its target, the version that they expect, and who does it for which reason.
///
/// Refusals come in this order: of the caller, the path, `If-Match`, the reason.
#[derive(Debug)]
pub struct Edit<T> {
    pub target: T,
    pub seen: Seen,
    pub author: Author,
    /// The admin's own user, where they are logged in.
    pub login: Option<UserSid>,
}

impl<T> Asks for Edit<T> {
    const RIGHT: Option<Right> = May::<Administer>::RIGHT;
}

impl<T: Target> FromRequestParts<AppState> for Edit<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Edit<T>, Problem> {
        let may = May::<Administer>::from_request_parts(parts, state).await?;
        let target = T::find(&may, parts, state).await?;
        let IfMatch(seen) = IfMatch::from_request_parts(parts, state).await?;
        let Query(reason) = Query::<ReasonQuery>::from_request_parts(parts, state).await?;
        let login = may.principal.as_ref().and_then(|principal| match principal.credential {
            Credential::Login { user, .. } => Some(user),
            Credential::Key { .. } => None,
        });
        Ok(Edit { target, seen, author: reason.author(may), login })
    }
}

/// The target of an edit, found by the path.
pub trait Target: Sized + Send {
    /// # Errors
    /// 400 for an invalid SID, 404 for a business that does not exist.
    fn find(
        may: &May<Administer>,
        parts: &mut Parts,
        state: &AppState,
    ) -> impl Future<Output = Result<Self, Problem>> + Send;
}

impl<S: InPath + Send> Target for S {
    async fn find(_: &May<Administer>, parts: &mut Parts, state: &AppState) -> Result<S, Problem> {
        SidPath::from_request_parts(parts, state).await.map(|SidPath(sid)| sid)
    }
}

impl Target for Tenant {
    async fn find(may: &May<Administer>, parts: &mut Parts, state: &AppState) -> Result<Tenant, Problem> {
        extract::tenant(may, parts, state).await
    }
}

/// The changes of a body, if there are any.
///
/// # Errors
/// 400 for a body that changes nothing.
pub fn some_change<C: Default + PartialEq>(changes: C) -> Result<C, Problem> {
    if changes == C::default() { Err(Problem::no_change()) } else { Ok(changes) }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// `true`: report what would change, and change nothing.
    #[param(value_type = Option<bool>)]
    pub dry_run: Option<Flag>,
    /// The reason, for the audit log: at most 255 characters.
    #[param(value_type = Option<String>, example = "New price list")]
    reason: Option<Reason>,
}

impl ImportQuery {
    pub fn is_dry_run(&self) -> bool {
        self.dry_run.is_some_and(Flag::is_set)
    }

    pub fn author(self, may: May<Administer>) -> Author {
        Author { actor: may.actor, reason: self.reason }
    }
}

/// A line of a CSV file that is not valid.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RefusedLine)]
pub struct RefusedLineBody {
    /// Counted from 1, including the header.
    #[schema(minimum = 1)]
    line: u64,
    /// What is wrong with which column; `line` if the line is wrong as a whole.
    errors: BTreeMap<String, Vec<String>>,
}

impl From<RefusedLine> for RefusedLineBody {
    fn from(refused: RefusedLine) -> RefusedLineBody {
        let mut errors: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for error in refused.errors {
            errors.entry(error.field).or_default().push(error.problem);
        }
        RefusedLineBody { line: refused.line, errors }
    }
}
