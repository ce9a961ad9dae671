//! Lists, creates, changes and deletes plans.

use serde_json::Value;

use crate::domain::audit::{AuditAction, AuditEntry, Author};
use crate::domain::prices::plan_terms::{PlanChanges, PlanRefusal, PlanTerms, check_default};
use crate::domain::prices::plans::PricingPlan;
use crate::domain::values::listing::{ListPage, ListRequest};
use crate::domain::values::sid::PlanSid;
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::Seen;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;

const NOT_FOUND: Error = Error::NotFound { code: "plan_not_found", sentence: "There is no such plan." };

/// Every plan, in the order of creation.
///
/// # Errors
/// Those of the database.
pub async fn list(billing: &Billing) -> Result<Vec<PricingPlan>> {
    storage::prices::plans::list(&mut billing.db.read().await?.conn()).await
}

/// A page of plans.
///
/// # Errors
/// [`Error::Invalid`] where sort or cursor is invalid, and those of the database.
pub async fn page(billing: &Billing, request: &ListRequest) -> Result<ListPage<PricingPlan>> {
    let mut snapshot = billing.db.snapshot().await?;
    storage::prices::plans::page(&mut snapshot.conn(), request).await
}

/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, sid: PlanSid) -> Result<PricingPlan> {
    let mut snapshot = billing.db.snapshot().await?;
    storage::prices::plans::find(&mut snapshot.conn(), sid).await?.ok_or(NOT_FOUND)
}

/// Creates a plan.
///
/// # Errors
/// [`Error::InvalidFields`], [`Error::Exists`] where another plan has the name, [`Error::Impossible`] where new wallets
/// would get a postpaid plan, and those of the database.
pub async fn create(billing: &Billing, terms: PlanTerms, author: &Author) -> Result<PricingPlan> {
    let now = billing.clock.now();
    check_default(&billing.rules.terms.plan_name, None, Some(&terms))?;
    let plan = terms.into_plan(PlanSid::new(billing.clock.new_id()), now, now).map_err(Error::InvalidFields)?;
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::db::deployment::lock_prices(&mut conn).await?;
    if !storage::prices::plans::insert(&mut conn, &plan).await? {
        tx.roll_back().await?;
        return Err(name_is_taken());
    }
    let entry = AuditEntry::created(AuditAction::PlanCreated, plan.sid.to_string(), json(&plan)?);
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    billing.live.prices.notice_change().await;
    Ok(plan)
}

/// Changes a plan, if it is still as its author saw it. A change of nothing is not recorded.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Changed`], those of [`create`].
pub async fn change(
    billing: &Billing,
    sid: PlanSid,
    seen: &Seen,
    changes: PlanChanges,
    author: &Author,
) -> Result<PricingPlan> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let before = lock(&mut tx.conn(), sid, seen).await?;
    let terms = changes.apply_to(before.terms());
    check_default(&billing.rules.terms.plan_name, Some(&before.terms()), Some(&terms))?;
    let after = terms.into_plan(sid, before.created_at, now).map_err(Error::InvalidFields)?;
    if after.terms() == before.terms() {
        tx.roll_back().await?;
        return Ok(before);
    }
    let mut conn = tx.conn();
    if !storage::prices::plans::update(&mut conn, &after).await? {
        tx.roll_back().await?;
        return Err(name_is_taken());
    }
    let entry = AuditEntry::changed(AuditAction::PlanChanged, sid.to_string(), json(&before)?, json(&after)?);
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    billing.live.prices.notice_change().await;
    Ok(after)
}

/// Deletes a plan, if it is still as its author saw it and no wallet has it.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Changed`], [`Error::Impossible`] where a wallet has it or it is the default of new
/// wallets, and those of the database.
pub async fn delete(billing: &Billing, sid: PlanSid, seen: &Seen, author: &Author) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let before = lock(&mut tx.conn(), sid, seen).await?;
    let mut conn = tx.conn();
    if storage::prices::plans::is_in_use(&mut conn, sid).await? {
        return Err(PlanRefusal::InUse.into());
    }
    check_default(&billing.rules.terms.plan_name, Some(&before.terms()), None)?;
    storage::prices::plans::delete(&mut conn, sid).await?;
    let entry = AuditEntry::deleted(AuditAction::PlanDeleted, sid.to_string(), json(&before)?);
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    billing.live.prices.notice_change().await;
    Ok(())
}

/// The plan, if it is as the author saw it, locked until the transaction ends.
async fn lock(conn: &mut Conn<'_>, sid: PlanSid, seen: &Seen) -> Result<PricingPlan> {
    storage::db::deployment::lock_prices(conn).await?;
    let plan = storage::prices::plans::lock(conn, sid).await?.ok_or(NOT_FOUND)?;
    if seen.includes(plan.version()) { Ok(plan) } else { Err(Error::Changed) }
}

fn name_is_taken() -> Error {
    Error::exists("name", "is another plan's already; choose another one")
}

fn json(plan: &PricingPlan) -> Result<Value> {
    serde_json::to_value(plan.terms()).map_err(|error| Error::Corrupt(format!("a plan that is no JSON: {error}")))
}

async fn note(conn: &mut Conn<'_>, entry: AuditEntry, author: &Author, now: Timestamp) -> Result<()> {
    storage::audit::append(&mut conn.bulk(), &entry.by(author), &author.actor, now).await
}
