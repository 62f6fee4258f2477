//! What the compiler refuses, and that it does so for the right reason. The reasons are worded as by
//! Rust 1.95; `TRYBUILD=overwrite` writes them anew for another version.

// One test, because two would build the dependencies twice.
#[test]
fn queries_of_the_wrong_type_and_writes_beyond_the_role_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile_fail/right_*.rs");
    for wrong in [
        "enum",
        "text",
        "null",
        "field",
        "float",
        "role",
        "session",
        "bust",
        "resolution",
        "action",
    ] {
        cases.compile_fail(format!("tests/compile_fail/{wrong}_*.rs"));
    }
}
