//! Finds charges by message, and stores delivery reports.
//! The unique index behind [`FIND`] keeps a message from being charged twice; to replace it by something faster,
//! replace this file.

pub mod usage;

use std::collections::BTreeSet;

use std::sync::Arc;

use foldhash::HashMap;
use serde_json::value::RawValue;

use crate::domain::charges::charging::NewDelivery;
use crate::domain::charges::{Charge, ChargeState, Delivery, DeliveryStatus};
use crate::domain::prices::messages::{MessageSid, MessageSize};
use crate::domain::prices::rating::{AppliedRate, RatedPart};
use crate::domain::values::currency::Currency;
use crate::domain::values::json::JsonObject;
use crate::domain::values::money::Money;
use crate::domain::values::sid::{BusinessSid, TransactionSid};
use crate::domain::values::text::ErrorCode;
use crate::domain::values::time::Timestamp;
use crate::domain::wallets::ledger::Entry;
use crate::error::{Error, Result};
use crate::storage::db::BulkConn;
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::rows::{FromRow, Row};
use crate::storage::prices::applied_rates;

/// The unique index that refuses a second charge of a message, by its name in the databases' errors.
pub const UNIQUE_INDEX: &str = "transactions_by_message";

given! {
    pub struct GivenMessages(messages: &'v [(&'v Owner, &'v MessageSid)]) for (owner, message) in messages {
        message_sid: TEXT = message.as_str(),
        wallet_id: BIGINT = owner.wallet_id,
    }
}

pub static FIND: Bulk<GivenMessages> = Bulk::new(Action::With(
    "SELECT t.wallet_id, t.uid, t.previous_uid, t.seq, t.amount, t.balance_after, t.created_at, CAST(t.metadata AS TEXT), \
     t.message_sid, t.input_hash, t.rate_id, t.segments, t.encoding, t.sent_to, t.submitted_at, CAST(t.more_parts AS TEXT), \
     d.status, d.error_code, d.created_at AS reported_at, \
     CAST(COALESCE((SELECT SUM(refund.amount) FROM transactions refund WHERE refund.charge_uid = t.uid AND refund.type = 'REFUND'), 0) \
     AS BIGINT) AS refunded \
     FROM given JOIN transactions t ON t.message_sid = given.message_sid AND t.wallet_id = given.wallet_id \
     AND t.message_sid IS NOT NULL LEFT JOIN deliveries d ON d.charge_uid = t.uid",
));

given! {
    pub struct GivenDeliveries(deliveries: &'v [NewDelivery]) for new in deliveries {
        charge_uid: UUID = new.charge.uuid(),
        status: TEXT = new.delivery.status.as_str(),
        error_code: TEXT = new.delivery.error_code.as_ref().map(ErrorCode::as_str),
        actor: TEXT = &*new.actor.name,
        request_id: TEXT = new.actor.request_id.as_deref(),
        created_at: BIGINT = new.delivery.reported_at.micros(),
    }
}

pub static INSERT_DELIVERIES: Bulk<GivenDeliveries> = Bulk::new(Action::InsertInto("deliveries"));

struct StoredCharge {
    wallet_id: i64,
    uid: TransactionSid,
    previous_uid: Option<TransactionSid>,
    seq: i64,
    amount: Money,
    balance_after: Money,
    created_at: Timestamp,
    metadata: Option<String>,
    message_sid: String,
    input_hash: Vec<u8>,
    rate_id: i64,
    segments: i64,
    encoding: Option<String>,
    sent_to: Option<String>,
    submitted_at: Option<Timestamp>,
    more_parts: Vec<(i64, u16)>,
    status: Option<String>,
    error_code: Option<String>,
    reported_at: Option<Timestamp>,
    refunded: Money,
}

/// In the column order of [`FIND`].
impl FromRow for StoredCharge {
    fn from_row(mut row: Row<'_>) -> Result<StoredCharge> {
        Ok(StoredCharge {
            wallet_id: row.take()?,
            uid: row.take()?,
            previous_uid: row.take()?,
            seq: row.take()?,
            amount: row.take()?,
            balance_after: row.take()?,
            created_at: row.take()?,
            metadata: row.take()?,
            message_sid: row.take()?,
            input_hash: row.take()?,
            rate_id: row.take()?,
            segments: row.take()?,
            encoding: row.take()?,
            sent_to: row.take()?,
            submitted_at: row.take()?,
            more_parts: match row.take::<Option<String>>()? {
                Some(text) => serde_json::from_str(&text)
                    .map_err(|error| Error::Corrupt(format!("parts of a charge: {error}")))?,
                None => Vec::new(),
            },
            status: row.take()?,
            error_code: row.take()?,
            reported_at: row.take()?,
            refunded: row.take()?,
        })
    }
}

/// The wallet that a charge belongs to.
#[derive(Clone, Debug)]
pub struct Owner {
    pub wallet_id: i64,
    pub business: BusinessSid,
    pub currency: Currency,
}

/// The charges of these messages, as far as there are any, with their delivery reports and refunds.
pub async fn find(conn: &mut BulkConn<'_>, messages: &[(&Owner, &MessageSid)]) -> Result<Vec<ChargeState>> {
    let rows = FIND.fetch::<StoredCharge>(conn, GivenMessages::of(messages)).await?;
    let ids: BTreeSet<i64> = rows.iter().flat_map(|row| part_rates(row).map(|(id, _)| id)).collect();
    let rates: HashMap<i64, Arc<AppliedRate>> = applied_rates::load(conn, ids).await?.into_iter().collect();
    let owners: HashMap<i64, &Owner> = messages.iter().map(|(owner, _)| (owner.wallet_id, *owner)).collect();
    let to_state = |row: StoredCharge| {
        let owner = owners.get(&row.wallet_id).ok_or_else(|| Error::Corrupt("a charge of nobody".to_owned()))?;
        to_state(row, owner, &rates)
    };
    rows.into_iter().map(to_state).collect()
}

/// The ids of a charge's rates, with the segments at each.
fn part_rates(row: &StoredCharge) -> impl Iterator<Item = (i64, u16)> {
    let segments: i64 = row.more_parts.iter().map(|(_, segments)| i64::from(*segments)).sum();
    let first = u16::try_from(row.segments - segments).unwrap_or(0);
    std::iter::once((row.rate_id, first)).chain(row.more_parts.iter().copied())
}

fn to_state(row: StoredCharge, owner: &Owner, rates: &HashMap<i64, Arc<AppliedRate>>) -> Result<ChargeState> {
    let corrupt = |what: String| Error::Corrupt(format!("the charge {}: {what}", row.uid));
    let mut parts = Vec::with_capacity(1);
    for (id, segments) in part_rates(&row) {
        let rate = rates.get(&id).ok_or_else(|| corrupt(format!("its rate {id} is gone")))?;
        parts.push(RatedPart { segments, rate: rate.clone() });
    }
    let delivery = match (&row.status, row.reported_at) {
        (Some(status), Some(reported_at)) => Some(Delivery {
            status: status.parse::<DeliveryStatus>().map_err(corrupt)?,
            error_code: row.error_code.as_deref().map(str::parse::<ErrorCode>).transpose().map_err(corrupt)?,
            reported_at,
        }),
        _ => None,
    };
    let size = MessageSize {
        segments: u16::try_from(row.segments).map_err(|error| corrupt(error.to_string()))?,
        encoding: row.encoding.as_deref().map(str::parse).transpose().map_err(corrupt)?,
    };
    let metadata = row.metadata.map(RawValue::from_string).transpose().map_err(|error| corrupt(error.to_string()))?;
    let input = row.input_hash.as_slice().try_into().map_err(|_| corrupt("its input hash".to_owned()))?;
    let charge = Charge {
        entry: Entry {
            sid: row.uid,
            previous: row.previous_uid,
            seq: row.seq,
            amount: row.amount,
            balance_after: row.balance_after,
            created_at: row.created_at,
        },
        business: owner.business.clone(),
        message: row.message_sid.parse().map_err(corrupt)?,
        currency: owner.currency,
        parts,
        sent_to: row.sent_to.clone(),
        size,
        submitted_at: row.submitted_at,
        metadata: JsonObject::from_text(metadata),
        input,
    };
    Ok(ChargeState { charge: Arc::new(charge), delivery, refunded: row.refunded })
}

/// Inserts delivery reports.
pub async fn insert_deliveries(conn: &mut BulkConn<'_>, deliveries: &[NewDelivery]) -> Result<()> {
    INSERT_DELIVERIES.execute(conn, GivenDeliveries::of(deliveries)).await?;
    Ok(())
}

/// Whether an error is the unique index's refusal to charge a message twice.
pub fn is_charged_twice(error: &Error) -> bool {
    let Error::Database(sqlx::Error::Database(error)) = error else { return false };
    error.is_unique_violation()
        && (error.constraint() == Some(UNIQUE_INDEX) || error.message().contains("transactions.message_sid"))
}
