//! Attacks by overloads. PostgreSQL prefers a function, an aggregate or an operator that fits the types exactly to
//! its own polymorphic one, even if it comes later on the search path. So whoever may create in the schema of the
//! tables could have code run as the ledger.

use crate::scene::{By, Held, ROLES, Scene};

attacks! {
    nobody_but_the_owner_creates_an_object_in_the_schema,
}

pub fn nobody_but_the_owner_creates_an_object_in_the_schema(scene: &Scene) -> Held {
    let denied = By::Words("permission denied for schema public");
    for role in ROLES {
        for plant in [
            "CREATE FUNCTION public.cardinality(fills[]) RETURNS integer LANGUAGE sql RETURN 0",
            "CREATE AGGREGATE public.array_agg(fills) (SFUNC = array_append, STYPE = fills[])",
            "CREATE OPERATOR public.= (
                 LEFTARG = order_status_enum, RIGHTARG = order_status_enum, FUNCTION = enum_eq
             )",
            "CREATE TABLE public.more (id integer)",
        ] {
            scene.member(role, "").refused(denied, plant)?;
        }
    }
    scene.stranger().refused(denied, "CREATE TABLE public.more (id integer)")
}
