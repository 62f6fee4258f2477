//! Tests of the whole screen: what it shows, what its keys do, what it offers to whom, and that it keeps up with a
//! database.

mod fixtures;
mod keys;
mod live;
mod picture;
mod roles;
mod snapshots;
mod watched;
