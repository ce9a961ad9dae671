//! Runs `openapi`: prints the OpenAPI document.

use std::io::Write;

use super::output::{CliResult, say};
use crate::http;

pub(super) fn openapi() -> CliResult {
    say!("{}", http::openapi::document().to_pretty_json()?);
    Ok(())
}
