//! Citus: a desk that one node of a cluster holds.
//!
//! Citus shards by schema: it keeps all tables of a desk together on one node, the holder, and moves them to another.
//! Clients connect to the holder. There the triggers run on the shards, and a statement stays in the session. Through
//! another node it would be run by a connection that Citus opens as the role of the desk, which is no login: it is
//! refused.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Text};

use crate::database::postgres::{set_config, to_regclass};
use crate::error::Error;

/// The query of the node that holds a table.
const HOLDER: &str = include_str!("holder.sql");

/// The query of the shards of tables.
const SHARDS_OF: &str = include_str!("shards.sql");

/// A table of Citus, which is there if the database has the extension.
pub(crate) const PROBE: &str = "pg_catalog.pg_dist_shard";

/// The node of a Citus cluster that holds a desk.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Holder {
    /// The name of its host, or the directory of its Unix socket, as the nodes of the cluster know it.
    #[diesel(sql_type = Text)]
    pub host: String,
    /// Its port.
    #[diesel(sql_type = Integer)]
    pub port: i32,
    /// Whether the session that asked is on this node.
    #[diesel(sql_type = Bool)]
    pub is_here: bool,
}

impl Holder {
    /// Returns the URL of this node: the given one, with another host and port. Both a `postgres://` URL and a libpq
    /// keyword string are understood; what comes later in them has precedence.
    pub fn url(&self, url: &str) -> String {
        let port = self.port;
        if !url.contains("://") {
            let host = self.host.replace('\\', r"\\").replace('\'', r"\'");
            return format!("{url} host='{host}' hostaddr='' port={port}");
        }
        let first = if url.contains('?') { '&' } else { '?' };
        let host: String = self
            .host
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect();
        format!("{url}{first}host={host}&hostaddr=&port={port}")
    }
}

/// Returns whether the database has Citus.
pub(crate) fn is_here(conn: &mut PgConnection) -> QueryResult<bool> {
    diesel::select(to_regclass(PROBE).is_not_null()).get_result(conn)
}

/// Returns the node that holds the table `orders` of the search path; none if that is not distributed.
pub(crate) fn holder(conn: &mut PgConnection) -> Result<Option<Holder>, Error> {
    holder_of(conn, "orders")
}

/// Returns the node that holds a table; none if it is not distributed.
pub(crate) fn holder_of(conn: &mut PgConnection, table: &str) -> Result<Option<Holder>, Error> {
    if !is_here(conn)? {
        return Ok(None);
    }
    Ok(diesel::sql_query(HOLDER).bind::<Text, _>(table).get_result(conn).optional()?)
}

/// Has this session create objects on this node alone, if the database has Citus. Otherwise the migrations fail: Citus
/// creates a table on the other nodes before the types of its columns.
pub(crate) fn keep_ddl_here(conn: &mut PgConnection) -> Result<(), Error> {
    if is_here(conn)? {
        diesel::select(set_config("citus.enable_ddl_propagation", "off", false)).execute(conn)?;
    }
    Ok(())
}

/// A shard.
#[derive(QueryableByName)]
pub(crate) struct Shard {
    /// The name of the table.
    #[diesel(sql_type = Text)]
    pub table: String,
    /// The number, with which the names of the shard and of what belongs to it end.
    #[diesel(sql_type = BigInt)]
    pub number: i64,
}

impl Shard {
    /// Returns the name.
    pub(crate) fn name(&self) -> String {
        format!("{}_{}", self.table, self.number)
    }
}

/// Returns the shards of these tables of the search path; none if the database has no Citus.
pub(crate) fn shards(conn: &mut PgConnection, tables: &[String]) -> QueryResult<Vec<Shard>> {
    if !is_here(conn)? {
        return Ok(Vec::new());
    }
    diesel::sql_query(SHARDS_OF).bind::<Array<Text>, _>(tables).load(conn)
}

/// Runs a query of the catalog that finds shards, which Citus hides from it otherwise.
pub(crate) fn showing_shards<T>(
    conn: &mut PgConnection,
    query: impl FnOnce(&mut PgConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let set = |conn: &mut PgConnection, state: &str| {
        diesel::select(set_config("citus.override_table_visibility", state, false)).execute(conn)
    };
    set(conn, "off")?;
    let found = query(conn)?;
    set(conn, "on")?;
    Ok(found)
}

/// Refuses what is not done on a desk that Citus holds.
pub(crate) fn refuse(conn: &mut PgConnection, what: &'static str) -> Result<(), Error> {
    match holder(conn)? {
        None => Ok(()),
        Some(_) => Err(Error::invalid(
            "command",
            what,
            "is not possible on a desk that Citus holds; move the desk to a plain server for it: blotter desk move",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::Holder;

    #[test]
    fn the_url_of_the_holder_has_its_host_and_port_and_all_else_of_the_given_one() {
        let at = |host: &str| Holder { host: host.to_owned(), port: 5433, is_here: false };
        for (host, url, expected) in [
            (
                "db2",
                "postgres://ada:s%40cret@db1:5432/blotter",
                "postgres://ada:s%40cret@db1:5432/blotter?host=db2&hostaddr=&port=5433",
            ),
            (
                "/tmp/a b",
                "postgres://ada@/blotter?host=/tmp",
                "postgres://ada@/blotter?host=/tmp&host=/tmp/a%20b&hostaddr=&port=5433",
            ),
            (
                r"it's\here",
                "host=db1 user=ada",
                r"host=db1 user=ada host='it\'s\\here' hostaddr='' port=5433",
            ),
        ] {
            assert_eq!(at(host).url(url), expected);
        }
    }
}
