//! Stores seller and buyer of finalised invoices, as they were named at the close.

use sqlx::FromRow;

use crate::domain::invoices::parties::{Party, PartyRole};
use crate::error::{Error, Result};
use crate::storage::db::bulk::{Action, Bulk};
use crate::storage::db::given::given;
use crate::storage::db::{BulkConn, Conn, on};

macro_rules! insert {
    () => {
        "INSERT INTO invoice_parties (invoice_id, role, name, address, country_code, tax_id, email) "
    };
}

given! {
    pub struct GivenIds(invoices: &'v [i64]) for id in invoices {
        invoice_id: BIGINT = *id,
    }
}

macro_rules! freeze_business {
    ($role:literal, $business:literal) => {
        Bulk::new(Action::With(concat!(
            insert!(),
            "SELECT i.id, '",
            $role,
            "', b.name, b.address, b.country_code, b.tax_id, b.email \
             FROM given JOIN invoices i ON i.id = given.invoice_id JOIN wallets w ON w.id = i.wallet_id \
             JOIN businesses b ON b.id = ",
            $business
        )))
    };
}

pub static FREEZE_BUYERS: Bulk<GivenIds> = freeze_business!("BUYER", "w.business_id");

pub static FREEZE_RESELLERS: Bulk<GivenIds> = freeze_business!("SELLER", "i.seller_id");

given! {
    pub struct GivenPlatform(invoices: &'v [i64], platform: &'v Party) for id in invoices {
        invoice_id: BIGINT = *id,
        name: TEXT = platform.name.as_str(),
        address: TEXT = platform.address.as_str(),
        country_code: TEXT = platform.country.as_ref().map_or("", |country| country.as_str()),
        tax_id: TEXT = platform.tax_id.as_str(),
        email: TEXT = platform.email.as_str(),
    }
}

/// For invoices that no reseller issues.
pub static FREEZE_PLATFORM: Bulk<GivenPlatform> = Bulk::new(Action::With(concat!(
    insert!(),
    "SELECT i.id, 'SELLER', given.name, given.address, given.country_code, given.tax_id, given.email \
     FROM given JOIN invoices i ON i.id = given.invoice_id WHERE i.seller_id IS NULL"
)));

/// Copies the parties of one invoice to another.
pub const COPY: &str = concat!(
    insert!(),
    "SELECT $2, p.role, p.name, p.address, p.country_code, p.tax_id, p.email FROM invoice_parties p WHERE p.invoice_id = $1"
);

pub const FIND: &str = "SELECT p.role, p.name, p.address, p.country_code, p.tax_id, p.email FROM invoice_parties p WHERE p.invoice_id = $1";

/// Stores the parties of invoices as they are named now; `platform` is the seller where no reseller is, if it is known.
pub async fn freeze(conn: &mut BulkConn<'_>, invoices: &[i64], platform: Option<&Party>) -> Result<()> {
    FREEZE_BUYERS.execute(conn, GivenIds::of(invoices)).await?;
    FREEZE_RESELLERS.execute(conn, GivenIds::of(invoices)).await?;
    if let Some(platform) = platform {
        FREEZE_PLATFORM.execute(conn, GivenPlatform::of(invoices, platform)).await?;
    }
    Ok(())
}

/// Copies the parties of one invoice to another; returns whether there were any.
pub async fn copy(conn: &mut Conn<'_>, from: i64, to: i64) -> Result<bool> {
    let copied = on!(conn, c => sqlx::query(COPY)
        .bind(from)
        .bind(to)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(copied > 0)
}

#[derive(FromRow)]
struct PartyRow {
    role: PartyRole,
    name: String,
    address: String,
    country_code: String,
    tax_id: String,
    email: String,
}

/// The parties of an invoice; none where it is not finalised.
pub async fn find(conn: &mut Conn<'_>, invoice: i64) -> Result<Vec<(PartyRole, Party)>> {
    let rows = on!(conn, c => sqlx::query_as::<_, PartyRow>(FIND).bind(invoice).fetch_all(c).await)?;
    let to_party = |PartyRow { role, name, address, country_code, tax_id, email }: PartyRow| {
        let country = Some(country_code).filter(|code| !code.is_empty()).map(|code| code.parse());
        let country = country.transpose().map_err(Error::Corrupt)?;
        Ok((role, Party { name, address, country, tax_id, email }))
    };
    rows.into_iter().map(to_party).collect()
}
