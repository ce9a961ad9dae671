//! Exports plans as CSV, and imports an edited CSV.

use serde_json::Value;

use crate::domain::audit::{AuditAction, AuditEntry, Author};
use crate::domain::prices::plan_csv::{self, COLUMNS, PlanImport};
use crate::domain::prices::plan_terms::PlanTerms;
use crate::domain::values::csv;
use crate::domain::values::listing::ListRequest;
use crate::domain::values::sid::PlanSid;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;

/// Exports all plans that match the request.
///
/// # Errors
/// [`Error::Invalid`] where the sort is invalid, and those of the database.
pub async fn export(billing: &Billing, request: &ListRequest) -> Result<String> {
    let mut snapshot = billing.db.snapshot().await?;
    Ok(plan_csv::write(&storage::prices::plans::all(&mut snapshot.conn(), request).await?))
}

/// Returns the changes that an import would make. Nothing is stored.
///
/// # Errors
/// [`Error::MalformedCsv`], and those of the database.
pub async fn try_import(billing: &Billing, file: &[u8]) -> Result<PlanImport> {
    let rows = csv::read(file, COLUMNS).map_err(Error::MalformedCsv)?;
    let mut snapshot = billing.db.snapshot().await?;
    let known = storage::prices::plans::list(&mut snapshot.conn()).await?;
    Ok(plan_csv::compare(rows, &known, &billing.rules.terms.plan_name))
}

/// Imports a CSV: creates its new plans and changes those that differ, all of them or none.
///
/// # Errors
/// [`Error::MalformedCsv`], [`Error::LinesRefused`], and those of the database.
pub async fn import(billing: &Billing, file: &[u8], author: &Author) -> Result<PlanImport> {
    let rows = csv::read(file, COLUMNS).map_err(Error::MalformedCsv)?;
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::db::deployment::lock_prices(&mut conn).await?;
    let known = storage::prices::plans::list(&mut conn).await?;
    let mut import = plan_csv::compare(rows, &known, &billing.rules.terms.plan_name);
    if !import.refused.is_empty() {
        tx.roll_back().await?;
        return Err(Error::LinesRefused(std::mem::take(&mut import.refused)));
    }
    let mut entries = Vec::new();
    for added in &import.added {
        let sid = PlanSid::new(billing.clock.new_id());
        let plan = added.terms.clone().into_plan(sid, now, now).map_err(Error::InvalidFields)?;
        if !storage::prices::plans::insert(&mut conn, &plan).await? {
            return Err(Error::Stale);
        }
        entries.push(AuditEntry::created(AuditAction::PlanCreated, sid.to_string(), json(&added.terms)?).by(author));
    }
    for changed in &import.changed {
        let (sid, before) = (changed.before.sid, json(&changed.before.terms())?);
        let after = changed.after.clone().into_plan(sid, changed.before.created_at, now);
        if !storage::prices::plans::update(&mut conn, &after.map_err(Error::InvalidFields)?).await? {
            return Err(Error::Stale);
        }
        let after = json(&changed.after)?;
        entries.push(AuditEntry::changed(AuditAction::PlanChanged, sid.to_string(), before, after).by(author));
    }
    if entries.is_empty() {
        tx.roll_back().await?;
        return Ok(import);
    }
    storage::audit::append_many(&mut conn.bulk(), &entries, &author.actor, now).await?;
    tx.commit().await?;
    billing.live.prices.notice_change().await;
    Ok(import)
}

fn json(terms: &PlanTerms) -> Result<Value> {
    serde_json::to_value(terms).map_err(|error| Error::Corrupt(format!("a plan that is no JSON: {error}")))
}
