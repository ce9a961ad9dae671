//! Lists, creates, changes and deletes businesses, for admins.

use serde_json::{Value, json};

use crate::domain::audit::{AuditAction, AuditEntry, Author};
use crate::domain::businesses::hierarchy::{Ancestor, Surroundings, check_place, check_unused};
use crate::domain::businesses::{Business, BusinessChanges, BusinessKind, BusinessStatus};
use crate::domain::values::countries::CountryCode;
use crate::domain::values::listing::{ListPage, ListRequest};
use crate::domain::values::sid::BusinessSid;
use crate::domain::values::text::{Address, BusinessName, Email, TaxId};
use crate::domain::values::time::Timestamp;
use crate::domain::values::versions::Seen;
use crate::error::{Error, Result};
use crate::services::Billing;
use crate::storage;
use crate::storage::db::Conn;
use crate::storage::db::turns::Turn;

const NOT_FOUND: Error =
    Error::NotFound { code: "business_not_found", sentence: "There is no such business, or it is none of yours." };

/// A business to create.
#[derive(Clone, Debug)]
pub struct NewBusiness {
    pub sid: BusinessSid,
    pub kind: BusinessKind,
    /// The reseller it is to buy from; `None`: the platform itself.
    pub parent: Option<BusinessSid>,
    pub name: BusinessName,
    pub email: Option<Email>,
    pub address: Address,
    pub country: Option<CountryCode>,
    pub tax_id: TaxId,
}

impl NewBusiness {
    fn at(self, now: Timestamp) -> Business {
        Business {
            sid: self.sid,
            kind: self.kind,
            status: BusinessStatus::Active,
            parent: self.parent,
            name: self.name,
            email: self.email,
            address: self.address,
            country: self.country,
            tax_id: self.tax_id,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A page of businesses.
///
/// # Errors
/// [`Error::Invalid`] where sort or cursor is invalid, and those of the database.
pub async fn page(billing: &Billing, request: &ListRequest) -> Result<ListPage<Business>> {
    storage::businesses::page(&mut billing.db.read().await?.conn(), request).await
}

/// # Errors
/// [`Error::NotFound`], and those of the database.
pub async fn show(billing: &Billing, sid: &BusinessSid) -> Result<Business> {
    storage::businesses::find(&mut billing.db.read().await?.conn(), sid).await?.ok_or(NOT_FOUND)
}

/// Creates a business. Its wallet is opened at its first use.
///
/// # Errors
/// [`Error::Invalid`] where its parent is not allowed; [`Error::Impossible`] where the chain would be too deep;
/// [`Error::Exists`]; those of the database.
pub async fn create(billing: &Billing, new: NewBusiness, author: &Author) -> Result<Business> {
    let now = billing.clock.now();
    let business = new.at(now);
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    storage::db::turns::take(&mut conn, Turn::Hierarchy).await?;
    // Checked first: where the SID is taken, nothing else matters.
    let is_taken = storage::businesses::find(&mut conn, &business.sid).await?.is_some();
    if !is_taken {
        check_place(&business, &Surroundings { above: above(&mut conn, &business).await?, ..Surroundings::default() })?;
    }
    if is_taken || !storage::businesses::add(&mut conn, &business).await? {
        tx.roll_back().await?;
        return Err(Error::exists("sid", "is another business's already"));
    }
    let entry = AuditEntry::created(AuditAction::BusinessCreated, business.sid.as_str(), described(&business));
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    Ok(business)
}

/// Changes a business, if it is still as its author saw it. A change of nothing is not recorded. Suspension takes
/// effect for charges at once, and for users and keys within a second; for all businesses below it too.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Changed`]; [`Error::Invalid`] and [`Error::Impossible`] where its kind or parent is
/// not allowed; those of the database.
pub async fn change(
    billing: &Billing,
    sid: &BusinessSid,
    seen: &Seen,
    changes: BusinessChanges,
    author: &Author,
) -> Result<Business> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let before = lock(&mut conn, sid, seen).await?;
    let after = changes.apply_to(&before, now);
    if after == before {
        tx.roll_back().await?;
        return Ok(before);
    }
    if (before.kind, &before.parent) != (after.kind, &after.parent) {
        let surroundings = Surroundings {
            above: above(&mut conn, &after).await?,
            levels_below: storage::businesses::levels_below(&mut conn, sid).await?,
            has_resellers: storage::businesses::ties(&mut conn, sid).await?.has_resellers,
        };
        check_place(&after, &surroundings)?;
    }
    storage::businesses::update(&mut conn, &after).await?;
    let entry = AuditEntry::changed(AuditAction::BusinessChanged, sid.as_str(), described(&before), described(&after));
    note(&mut conn, entry, author, now).await?;
    tx.commit().await?;
    Ok(after)
}

/// Deletes a business, if it is still as its author saw it and nothing refers to it.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Changed`]; [`Error::Impossible`] where something refers to it; those of the database.
pub async fn delete(billing: &Billing, sid: &BusinessSid, seen: &Seen, author: &Author) -> Result<()> {
    let now = billing.clock.now();
    let mut tx = billing.db.begin().await?;
    let mut conn = tx.conn();
    let before = lock(&mut conn, sid, seen).await?;
    check_unused(storage::businesses::ties(&mut conn, sid).await?)?;
    storage::businesses::delete(&mut conn, sid).await?;
    let entry = AuditEntry::deleted(AuditAction::BusinessDeleted, sid.as_str(), described(&before));
    note(&mut conn, entry, author, now).await?;
    tx.commit().await
}

/// The business, if it is as the author saw it, locked until the transaction ends; takes the turn at the hierarchy.
async fn lock(conn: &mut Conn<'_>, sid: &BusinessSid, seen: &Seen) -> Result<Business> {
    storage::db::turns::take(conn, Turn::Hierarchy).await?;
    let business = storage::businesses::lock(conn, sid).await?.ok_or(NOT_FOUND)?;
    if seen.includes(business.version()) { Ok(business) } else { Err(Error::Changed) }
}

/// The chain above a business, with its new parent.
async fn above(conn: &mut Conn<'_>, business: &Business) -> Result<Vec<Ancestor>> {
    match &business.parent {
        Some(parent) => storage::businesses::chain(conn, parent).await,
        None => Ok(Vec::new()),
    }
}

/// A business in the audit log.
fn described(business: &Business) -> Value {
    json!({
        "kind": business.kind, "status": business.status, "parent_sid": business.parent, "name": business.name,
        "email": business.email, "address": business.address, "country_code": business.country,
        "tax_id": business.tax_id,
    })
}

async fn note(conn: &mut Conn<'_>, entry: AuditEntry, author: &Author, now: Timestamp) -> Result<()> {
    storage::audit::append(&mut conn.bulk(), &entry.by(author), &author.actor, now).await
}
