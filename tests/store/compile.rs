//! What the compiler refuses, and that it does so for the right reason. The reasons are worded as by
//! Rust 1.95; `TRYBUILD=overwrite` writes them anew for another version.

#[test]
fn queries_and_values_of_the_wrong_type_do_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/compile_fail/right_types.rs");
    for wrong in ["enum", "text", "null", "field", "float"] {
        cases.compile_fail(format!("tests/compile_fail/{wrong}_*.rs"));
    }
}
