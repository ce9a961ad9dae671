//! Declares the rows of bulk statements: each column's name, type and value in one line.

use std::marker::PhantomData;

use super::rows::Column;

/// Declares the rows that a statement runs over. Each column's name, its type in Postgres and its value in a row stand
/// in one line, so that no value can be bound to another column.
///
/// ```text
/// given! {
///     pub struct GivenMarks(marks: &'v [Mark], now: Timestamp) for mark in marks {
///         wallet_id: BIGINT = mark.wallet_id,
///         created_at: BIGINT = now.micros(),
///     }
/// }
/// ```
///
/// makes a type that stands for these columns, as in `Bulk<GivenMarks>`, and `GivenMarks::of(marks, now)`, the rows. A
/// value that may be NULL is an `Option`. Without `for … in …` there is one row. The rows after `in` are one word, and
/// are iterated over once for each column.
macro_rules! given {
    (
        $(#[$meta:meta])*
        pub struct $name:ident($($arg:ident: $type:ty),+ $(,)?) for $row:pat_param in $rows:tt {
            $($column:ident: $kind:ident = $value:expr),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub enum $name {}

        impl $crate::storage::db::given::Columns for $name {
            const COLUMNS: &'static [(&'static str, &'static str)] = &[$((stringify!($column), stringify!($kind))),+];
        }

        impl $name {
            // A column may have the same value in all rows.
            #[allow(unused_variables)]
            pub fn of<'v>($($arg: $type),+) -> $crate::storage::db::given::Rows<'v, $name> {
                $crate::storage::db::given::Rows::new(vec![
                    $($crate::storage::db::given::given!(@$kind IntoIterator::into_iter($rows).map(|$row| $value))),+
                ])
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident($($arg:ident: $type:ty),+ $(,)?) { $($columns:tt)+ }
    ) => {
        $crate::storage::db::given::given! {
            $(#[$meta])*
            pub struct $name($($arg: $type),+) for () in [()] { $($columns)+ }
        }
    };
    (@BIGINT $values:expr) => { $crate::storage::db::rows::Column::integers($values) };
    (@TEXT $values:expr) => { $crate::storage::db::rows::Column::texts($values) };
    (@JSONB $values:expr) => { $crate::storage::db::rows::Column::texts($values) };
    (@UUID $values:expr) => { $crate::storage::db::rows::Column::ids($values) };
    (@BYTEA $values:expr) => { $crate::storage::db::rows::Column::bytes($values) };
    (@DATE $values:expr) => { $crate::storage::db::rows::Column::days($values) };
}
pub(in crate::storage) use given;

/// Columns that [`given`] declares, each with its type in Postgres.
pub trait Columns {
    const COLUMNS: &'static [(&'static str, &'static str)];
}

/// The rows of one run of a statement, with the columns `C`.
#[derive(Debug)]
pub struct Rows<'v, C> {
    pub(super) columns: Vec<Column<'v>>,
    declared: PhantomData<fn(C)>,
}

impl<'v, C: Columns> Rows<'v, C> {
    /// Takes the columns in the order of their declaration. Only [`given`] calls this.
    pub fn new(columns: Vec<Column<'v>>) -> Rows<'v, C> {
        debug_assert_eq!(columns.len(), C::COLUMNS.len());
        Rows { columns, declared: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    given! {
        pub struct GivenNames(names: &'v [(i64, &'v str)], idle: Option<i64>) for (id, name) in names {
            id: BIGINT = *id,
            idle: BIGINT = idle,
            name: TEXT = *name,
        }
    }

    given! {
        pub struct GivenName(id: i64, name: &'v str) {
            id: BIGINT = id,
            type: TEXT = name,
        }
    }

    #[test]
    fn a_row_for_each_and_a_column_for_each_line() {
        let Rows { columns, .. } = GivenNames::of(&[(1, "one"), (2, "two")], None);
        let (ids, idle, names) = (vec![Some(1), Some(2)], vec![None, None], vec![Some("one"), Some("two")]);
        assert_eq!(columns, [Column::Integer(ids), Column::Integer(idle), Column::Text(names)]);
        let Rows { columns, .. } = GivenName::of(1, "one");
        assert_eq!(columns, [Column::Integer(vec![Some(1)]), Column::Text(vec![Some("one")])]);
        assert_eq!(GivenName::COLUMNS, [("id", "BIGINT"), ("type", "TEXT")]);
    }
}
