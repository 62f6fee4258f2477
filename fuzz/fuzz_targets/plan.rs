#![no_main]

use libfuzzer_sys::fuzz_target;
use tradeblotter::ingest::plan_any_bytes;

fuzz_target!(|data: &[u8]| plan_any_bytes(data));
