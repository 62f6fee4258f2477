#[derive(Clone, Copy)]
struct Superuser;

impl tradeblotter::role::Role for Superuser {}

fn main() {}
