//! What all changes by admins have in common.

use serde::Deserialize;
use utoipa::IntoParams;

use super::auth::{Administer, May};
use crate::domain::audit::Author;
use crate::domain::text::Reason;

/// Why something is changed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReasonQuery {
    /// Why you do it, for the audit log: at most 255 characters.
    #[param(value_type = Option<String>, example = "New price list")]
    reason: Option<Reason>,
}

impl ReasonQuery {
    pub fn author(self, may: May<Administer>) -> Author {
        Author { actor: may.actor, reason: self.reason }
    }
}
