//! What all changes by admins have in common.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::audit::Author;
use crate::domain::values::csv::RefusedLine;
use crate::domain::values::text::Reason;
use crate::http::edge::ask::extract::Flag;
use crate::http::edge::who::auth::{Administer, May};

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
