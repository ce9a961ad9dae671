//! Stores plans and their tiers.

use std::collections::HashMap;

use sqlx::FromRow;
use sqlx::types::Json;

use crate::domain::prices::plans::{PlanType, PricingPlan, VolumeTier, VolumeTiers};
use crate::domain::values::listing::{ListPage, ListRequest, ValueKind};
use crate::domain::values::money::{BasisPoints, Money};
use crate::domain::values::sid::PlanSid;
use crate::domain::values::time::Timestamp;
use crate::error::{Error, Result};
use crate::storage::db::listing::{Filter, Listing, Sort};
use crate::storage::db::{Conn, on};

macro_rules! select_plan {
    ($end:literal) => {
        concat!(
            "SELECT id, uid, name, description, type, base_price_per_sms, card_discount, failed_refund, features, ",
            "created_at, updated_at FROM pricing_plans ",
            $end
        )
    };
}

pub const LIST: &str = select_plan!("ORDER BY id");

pub const FIND: &str = select_plan!("WHERE uid = $1");

/// Locks the plan's row until the transaction ends: no wallet gets the plan meanwhile.
pub const FIND_AND_LOCK_ON_POSTGRES: &str = select_plan!("WHERE uid = $1 FOR UPDATE");

pub static LISTING: Listing = Listing {
    select: "p.id, p.uid, p.name, p.description, p.type, p.base_price_per_sms, p.card_discount, p.failed_refund, \
             p.features, p.created_at, p.updated_at",
    from: "pricing_plans p",
    id: "p.id",
    search: &["p.name", "p.description"],
    filters: &[Filter { name: "type", kind: ValueKind::Text, condition: "p.type = {}" }],
    sorts: &[
        Sort { name: "name", column: "p.name", kind: ValueKind::Text, is_unique: true },
        Sort { name: "type", column: "p.type", kind: ValueKind::Text, is_unique: false },
        Sort { name: "base_price_per_sms", column: "p.base_price_per_sms", kind: ValueKind::Integer, is_unique: false },
        Sort { name: "created_at", column: "p.created_at", kind: ValueKind::Integer, is_unique: false },
        Sort { name: "updated_at", column: "p.updated_at", kind: ValueKind::Integer, is_unique: false },
    ],
    default_sort: "name",
};

pub const LIST_TIERS: &str =
    "SELECT plan_id, up_to, price_per_sms, discount FROM volume_tiers ORDER BY plan_id, position";

pub const FIND_TYPE_BY_NAME: &str = "SELECT type FROM pricing_plans WHERE name = $1";

pub const INSERT: &str = "INSERT INTO pricing_plans (uid, name, description, type, base_price_per_sms, card_discount, \
     failed_refund, features, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
     ON CONFLICT (name) DO NOTHING RETURNING id";

pub const INSERT_TIER: &str =
    "INSERT INTO volume_tiers (plan_id, position, up_to, price_per_sms, discount) VALUES ($1, $2, $3, $4, $5)";

/// Not where another plan has the name.
pub const UPDATE: &str = "UPDATE pricing_plans SET name = $2, description = $3, type = $4, base_price_per_sms = $5, \
     card_discount = $6, failed_refund = $7, features = $8, updated_at = $9 WHERE uid = $1 \
     AND NOT EXISTS (SELECT 1 FROM pricing_plans other WHERE other.name = $2 AND other.uid <> $1) RETURNING id";

pub const DELETE_TIERS: &str = "DELETE FROM volume_tiers WHERE plan_id = $1";

/// Deletes its tiers too.
pub const DELETE: &str = "DELETE FROM pricing_plans WHERE uid = $1";

pub const A_WALLET_OF: &str =
    "SELECT w.id FROM wallets w WHERE w.pricing_plan_id = (SELECT id FROM pricing_plans WHERE uid = $1) LIMIT 1";

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: PlanSid,
    name: String,
    description: String,
    #[sqlx(rename = "type")]
    plan_type: PlanType,
    base_price_per_sms: Money,
    card_discount: BasisPoints,
    failed_refund: BasisPoints,
    features: Json<Vec<String>>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(FromRow)]
struct TierRow {
    plan_id: i64,
    up_to: Option<i64>,
    price_per_sms: Money,
    discount: BasisPoints,
}

/// Every plan with its tiers, in the order of creation.
pub async fn list(conn: &mut Conn<'_>) -> Result<Vec<PricingPlan>> {
    let rows = on!(conn, c => sqlx::query_as::<_, Row>(LIST).fetch_all(c).await)?;
    with_tiers(conn, rows).await
}

/// A page of plans.
pub async fn page(conn: &mut Conn<'_>, request: &ListRequest) -> Result<ListPage<PricingPlan>> {
    let ListPage { items, next } = LISTING.page(conn, request).await?;
    Ok(ListPage { items: with_tiers(conn, items).await?, next })
}

/// All plans that match the request, whatever its page.
pub async fn all(conn: &mut Conn<'_>, request: &ListRequest) -> Result<Vec<PricingPlan>> {
    let rows = LISTING.all(conn, request).await?;
    with_tiers(conn, rows).await
}

/// Adds the tiers. There are few plans, so those of all are read.
async fn with_tiers(conn: &mut Conn<'_>, rows: Vec<Row>) -> Result<Vec<PricingPlan>> {
    let tier_rows = on!(conn, c => sqlx::query_as::<_, TierRow>(LIST_TIERS).fetch_all(c).await)?;
    let mut tiers: HashMap<i64, Vec<VolumeTier>> = HashMap::new();
    for row in tier_rows {
        let tier = VolumeTier { up_to: row.up_to, price_per_sms: row.price_per_sms, discount: row.discount };
        tiers.entry(row.plan_id).or_default().push(tier);
    }
    rows.into_iter().map(|row| to_plan(tiers.remove(&row.id).unwrap_or_default(), row)).collect()
}

fn to_plan(tiers: Vec<VolumeTier>, row: Row) -> Result<PricingPlan> {
    let tiers = VolumeTiers::new(tiers).map_err(|rule| Error::Corrupt(format!("plan {}: {rule}", row.name)))?;
    Ok(PricingPlan {
        sid: row.uid,
        name: row.name,
        description: row.description,
        plan_type: row.plan_type,
        base_price_per_sms: row.base_price_per_sms,
        card_discount: row.card_discount,
        failed_refund: row.failed_refund,
        features: row.features.0,
        tiers,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

pub async fn find_type_by_name(conn: &mut Conn<'_>, name: &str) -> Result<Option<PlanType>> {
    Ok(on!(conn, c => sqlx::query_scalar::<_, PlanType>(FIND_TYPE_BY_NAME).bind(name).fetch_optional(c).await)?)
}

pub async fn find(conn: &mut Conn<'_>, sid: PlanSid) -> Result<Option<PricingPlan>> {
    let row = on!(conn, c => sqlx::query_as::<_, Row>(FIND).bind(sid).fetch_optional(c).await)?;
    Ok(with_tiers(conn, row.into_iter().collect()).await?.pop())
}

/// The plan, locked until this transaction ends: nobody changes it, and no wallet gets it.
pub async fn lock(conn: &mut Conn<'_>, sid: PlanSid) -> Result<Option<PricingPlan>> {
    let row = match conn {
        Conn::Sqlite(c) => sqlx::query_as::<_, Row>(FIND).bind(sid).fetch_optional(&mut **c).await?,
        Conn::Postgres(c) => {
            sqlx::query_as::<_, Row>(FIND_AND_LOCK_ON_POSTGRES).bind(sid).fetch_optional(&mut **c).await?
        }
    };
    Ok(with_tiers(conn, row.into_iter().collect()).await?.pop())
}

/// Whether a wallet has the plan.
pub async fn is_in_use(conn: &mut Conn<'_>, sid: PlanSid) -> Result<bool> {
    let wallet = on!(conn, c => sqlx::query_scalar::<_, i64>(A_WALLET_OF).bind(sid).fetch_optional(c).await)?;
    Ok(wallet.is_some())
}

/// Inserts a plan; returns false, and changes nothing, where one of the same name exists.
pub async fn insert(conn: &mut Conn<'_>, plan: &PricingPlan) -> Result<bool> {
    let id = on!(conn, c => sqlx::query_scalar::<_, i64>(INSERT)
        .bind(plan.sid)
        .bind(plan.name.as_str())
        .bind(plan.description.as_str())
        .bind(plan.plan_type)
        .bind(plan.base_price_per_sms)
        .bind(plan.card_discount)
        .bind(plan.failed_refund)
        .bind(Json(&plan.features))
        .bind(plan.created_at)
        .bind(plan.updated_at)
        .fetch_optional(c)
        .await)?;
    let Some(id) = id else { return Ok(false) };
    insert_tiers(conn, id, &plan.tiers).await?;
    Ok(true)
}

/// Updates a plan; returns false, and changes nothing, where another plan has its name.
pub async fn update(conn: &mut Conn<'_>, plan: &PricingPlan) -> Result<bool> {
    let id = on!(conn, c => sqlx::query_scalar::<_, i64>(UPDATE)
        .bind(plan.sid)
        .bind(plan.name.as_str())
        .bind(plan.description.as_str())
        .bind(plan.plan_type)
        .bind(plan.base_price_per_sms)
        .bind(plan.card_discount)
        .bind(plan.failed_refund)
        .bind(Json(&plan.features))
        .bind(plan.updated_at)
        .fetch_optional(c)
        .await)?;
    let Some(id) = id else { return Ok(false) };
    on!(conn, c => sqlx::query(DELETE_TIERS).bind(id).execute(c).await.map(|_| ()))?;
    insert_tiers(conn, id, &plan.tiers).await?;
    Ok(true)
}

pub async fn delete(conn: &mut Conn<'_>, sid: PlanSid) -> Result<()> {
    on!(conn, c => sqlx::query(DELETE).bind(sid).execute(c).await.map(|_| ()))?;
    Ok(())
}

async fn insert_tiers(conn: &mut Conn<'_>, id: i64, tiers: &VolumeTiers) -> Result<()> {
    for (position, tier) in (1_i64..).zip(tiers.as_slice()) {
        on!(conn, c => sqlx::query(INSERT_TIER)
            .bind(id)
            .bind(position)
            .bind(tier.up_to)
            .bind(tier.price_per_sms)
            .bind(tier.discount)
            .execute(c)
            .await
            .map(|_| ()))?;
    }
    Ok(())
}
