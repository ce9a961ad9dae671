//! Checks the hierarchy of businesses: clients below resellers, resellers below resellers.

use super::{Business, BusinessKind};
use crate::domain::values::sid::BusinessSid;

/// The most businesses in a chain, from one without a parent down to one without children.
pub const CHAIN_MAX: usize = 5;

/// A business above another in the hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestor {
    pub sid: BusinessSid,
    pub kind: BusinessKind,
}

/// The part of the hierarchy around a business that the rules look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The businesses above, from the future parent upwards; empty where there is to be none, or it does not exist.
    pub above: Vec<Ancestor>,
    /// The number of businesses in the longest chain below it.
    pub levels_below: usize,
    /// Whether it has users or keys with the role of a reseller.
    pub has_resellers: bool,
}

/// References to a business, which may keep it from being deleted or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    pub has_wallet: bool,
    pub has_users: bool,
    /// Whether it has keys of its own, revoked ones too, or is listed on a gateway's key.
    pub has_keys: bool,
    pub has_children: bool,
    /// Whether it has users with the role of a reseller, or such keys that are not revoked.
    pub has_resellers: bool,
}

/// Why a business may not have this kind or parent, or may not be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HierarchyRefusal {
    #[error("names no business that exists")]
    ParentMissing,
    #[error("must name a reseller: that business is a client")]
    ParentIsClient,
    #[error("The parent stands below the business itself (or is it): nobody can buy from themselves.")]
    Cycle,
    #[error("A chain of resellers and clients has at most {CHAIN_MAX} businesses; this one would have {length}.")]
    TooDeep { length: usize },
    #[error("The business has others below it: give them another parent before it becomes a client.")]
    HasChildren,
    #[error("The business has users or keys with the role reseller: change or revoke them before it becomes a client.")]
    HasResellers,
    #[error("The business has {0}, so it stays for the records: suspend it instead.")]
    InUse(&'static str),
}

impl HierarchyRefusal {
    /// The field at fault, where it is a single one.
    pub fn field(self) -> Option<&'static str> {
        matches!(self, HierarchyRefusal::ParentMissing | HierarchyRefusal::ParentIsClient).then_some("parent_sid")
    }

    /// The error code of the API.
    pub fn code(self) -> &'static str {
        match self {
            HierarchyRefusal::ParentMissing | HierarchyRefusal::ParentIsClient => "invalid_request",
            HierarchyRefusal::Cycle => "hierarchy_cycle",
            HierarchyRefusal::TooDeep { .. } => "hierarchy_too_deep",
            HierarchyRefusal::HasChildren | HierarchyRefusal::HasResellers => "reseller_in_use",
            HierarchyRefusal::InUse(_) => "business_in_use",
        }
    }
}

/// Checks that a business may have its kind and its parent.
///
/// # Errors
/// The first rule it would break.
pub fn check_place(business: &Business, surroundings: &Surroundings) -> Result<(), HierarchyRefusal> {
    let Surroundings { above, levels_below, has_resellers } = surroundings;
    if business.parent.is_some() {
        let parent = above.first().ok_or(HierarchyRefusal::ParentMissing)?;
        if above.iter().any(|ancestor| ancestor.sid == business.sid) {
            return Err(HierarchyRefusal::Cycle);
        }
        if parent.kind != BusinessKind::Reseller {
            return Err(HierarchyRefusal::ParentIsClient);
        }
    }
    let length = above.len().saturating_add(1).saturating_add(*levels_below);
    if length > CHAIN_MAX {
        return Err(HierarchyRefusal::TooDeep { length });
    }
    match business.kind {
        BusinessKind::Client if *levels_below > 0 => Err(HierarchyRefusal::HasChildren),
        BusinessKind::Client if *has_resellers => Err(HierarchyRefusal::HasResellers),
        BusinessKind::Client | BusinessKind::Reseller => Ok(()),
    }
}

/// Checks that nothing refers to a business, so that it may be deleted.
///
/// # Errors
/// The first reference to it.
pub fn check_unused(ties: Ties) -> Result<(), HierarchyRefusal> {
    let found = [
        (ties.has_wallet, "a wallet"),
        (ties.has_children, "other businesses below it"),
        (ties.has_users, "users"),
        (ties.has_keys, "keys, or is listed on a gateway's"),
    ];
    match found.into_iter().find(|(is_there, _)| *is_there) {
        Some((_, what)) => Err(HierarchyRefusal::InUse(what)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::domain::businesses::BusinessStatus;
    use crate::domain::values::time::Timestamp;

    fn sid(text: &str) -> BusinessSid {
        text.parse().expect("a business")
    }

    /// The business `own`.
    fn own(kind: BusinessKind, parent: Option<&str>) -> Business {
        Business {
            sid: sid("own"),
            kind,
            status: BusinessStatus::Active,
            parent: parent.map(sid),
            name: "Own".parse().expect("a name"),
            email: None,
            address: "".parse().expect("an address"),
            country: None,
            tax_id: "".parse().expect("a tax id"),
            created_at: Timestamp::from_micros(0),
            updated_at: Timestamp::from_micros(0),
        }
    }

    /// A chain upwards of resellers, but for those that are written `name?`.
    fn above(names: &str) -> Vec<Ancestor> {
        let ancestor = |name: &str| match name.strip_suffix('?') {
            Some(name) => Ancestor { sid: sid(name), kind: BusinessKind::Client },
            None => Ancestor { sid: sid(name), kind: BusinessKind::Reseller },
        };
        names.split_whitespace().map(ancestor).collect()
    }

    use BusinessKind::{Client, Reseller};
    use HierarchyRefusal::{Cycle, HasChildren, HasResellers, ParentIsClient, ParentMissing, TooDeep};

    #[rstest]
    // A chain above: of whom; below it how many; whether it has resellers of its own.
    #[case(Client, None, "", 0, false, None)]
    #[case(Reseller, None, "", 4, true, None)]
    #[case(Client, Some("a"), "a", 0, false, None)]
    #[case(Reseller, Some("a"), "a b", 2, true, None)]
    #[case(Client, Some("nobody"), "", 0, false, Some(ParentMissing))]
    #[case(Client, Some("a"), "a? b", 0, false, Some(ParentIsClient))]
    #[case(Reseller, Some("own"), "own b", 0, false, Some(Cycle))]
    #[case(Client, Some("own"), "own? b", 0, false, Some(Cycle))]
    #[case(Reseller, Some("a"), "a b own c", 3, false, Some(Cycle))]
    #[case(Client, Some("a"), "a b c d", 0, false, None)]
    #[case(Client, Some("a"), "a b c d e", 0, false, Some(TooDeep { length: 6 }))]
    #[case(Reseller, Some("a"), "a b c", 1, false, None)]
    #[case(Reseller, Some("a"), "a b c", 2, false, Some(TooDeep { length: 6 }))]
    #[case(Reseller, None, "", 5, false, Some(TooDeep { length: 6 }))]
    #[case(Client, None, "", 1, false, Some(HasChildren))]
    #[case(Client, Some("a"), "a", 0, true, Some(HasResellers))]
    fn places(
        #[case] kind: BusinessKind,
        #[case] parent: Option<&str>,
        #[case] chain: &str,
        #[case] levels_below: usize,
        #[case] has_resellers: bool,
        #[case] refusal: Option<HierarchyRefusal>,
    ) {
        let surroundings = Surroundings { above: above(chain), levels_below, has_resellers };
        assert_eq!(check_place(&own(kind, parent), &surroundings).err(), refusal);
    }

    #[test]
    fn what_hangs_on_a_business() {
        assert_eq!(check_unused(Ties::default()), Ok(()));
        for ties in [
            Ties { has_wallet: true, ..Ties::default() },
            Ties { has_users: true, ..Ties::default() },
            Ties { has_keys: true, ..Ties::default() },
            Ties { has_children: true, ..Ties::default() },
        ] {
            let refusal = check_unused(ties).expect_err("it is in use");
            assert_eq!(refusal.code(), "business_in_use");
            assert!(refusal.to_string().contains("suspend it instead"), "{refusal}");
        }
    }
}
