//! Attacks on the store: what a trader, the engine, compliance, the owner of the tables or a superuser
//! might try, and which defence refuses it. One file per theme, one attack per promise.
//!
//! An attack is a function on a [`Scene`], so that it can be run twice: as a test, against the database
//! as it is, and in [`mutation`], against a database that lacks one of its defences. There it must fail:
//! because an attack succeeds, or because a role can no longer do what it must. If no attack fails
//! without a defence, the defence is untested; an attack that never fails tests nothing.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

/// Makes two tests of the same name for each attack, on a blotter of a whole database and in a desk: it is
/// repelled, and no row changes. Also lists the attacks, so that [`mutation`] can check that each is able to
/// fail.
macro_rules! attacks {
    ($($name:ident),+ $(,)?) => {
        pub const ATTACKS: &[(&str, crate::scene::Attack)] = &[$((stringify!($name), $name)),+];

        mod tests {
            $(#[test]
            fn $name() {
                crate::scene::assert_repelled(crate::scene::Scene::new(), super::$name);
            })+
        }

        mod in_a_desk {
            $(#[test]
            fn $name() {
                crate::scene::assert_repelled(crate::scene::Scene::in_a_desk(), super::$name);
            })+
        }
    };
}

mod amendments;
mod archives;
mod batches;
mod breaks;
mod catalog;
mod desks;
mod functions;
mod history;
mod identity;
mod impersonation;
mod mutation;
mod oracles;
mod overloads;
mod owner;
mod plans;
mod pool;
mod queries;
mod roles;
mod rules;
mod scene;
mod seals;
mod truncation;
