//! The examples of RFC 7515 (appendix A), RFC 7520 (section 4.2) and RFC 8037 (appendix A).

use super::super::{Algorithm, SigningKey, VerifyingKey, made};
use crate::identity::jose::Jws;

const CLAIMS: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

#[track_caller]
fn verifies(algorithm: Algorithm, jwk: &[(&str, &str)], [header, payload, signature]: [&str; 3]) {
    let token = [header, payload, signature].join(".");
    let jws = Jws::parse(&token).unwrap();
    assert_eq!(jws.header["alg"], algorithm.as_str());
    let key = VerifyingKey::from_jwk(&made::jwk(jwk)).unwrap();
    assert!(key.verify(algorithm, jws.signing_input, &jws.signature));

    let mut other = jws.signing_input.to_vec();
    *other.last_mut().unwrap() ^= 1;
    assert!(!key.verify(algorithm, &other, &jws.signature));
}

#[test]
fn hs256_of_rfc_7515_a_1() {
    verifies(
        Algorithm::Hs256,
        &[
            ("kty", "oct"),
            (
                "k",
                "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
            ),
        ],
        [
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            CLAIMS,
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ],
    );
}

#[test]
fn rs256_of_rfc_7515_a_2() {
    verifies(
        Algorithm::Rs256,
        &[
            ("kty", "RSA"),
            ("e", "AQAB"),
            (
                "n",
                "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
            ),
        ],
        [
            "eyJhbGciOiJSUzI1NiJ9",
            CLAIMS,
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ],
    );
}

#[test]
fn es256_of_rfc_7515_a_3() {
    verifies(
        Algorithm::Es256,
        &[
            ("kty", "EC"),
            ("crv", "P-256"),
            ("x", "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
            ("y", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
        ],
        [
            "eyJhbGciOiJFUzI1NiJ9",
            CLAIMS,
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ],
    );
}

#[test]
fn es512_of_rfc_7515_a_4() {
    verifies(
        Algorithm::Es512,
        &[
            ("kty", "EC"),
            ("crv", "P-521"),
            (
                "x",
                "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
            ),
            (
                "y",
                "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
            ),
        ],
        [
            "eyJhbGciOiJFUzUxMiJ9",
            "UGF5bG9hZA",
            "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
        ],
    );
}

/// The salt of PSS is as long as the digest (RFC 7518, section 3.5); made by another implementation.
#[test]
fn ps384_of_rfc_7520_4_2() {
    verifies(
        Algorithm::Ps384,
        &[
            ("kty", "RSA"),
            ("e", "AQAB"),
            (
                "n",
                "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw",
            ),
        ],
        [
            "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9",
            "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4",
            "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        ],
    );
}

const ED25519: [(&str, &str); 3] = [
    ("kty", "OKP"),
    ("crv", "Ed25519"),
    ("x", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
];

const ED25519_TOKEN: [&str; 3] = [
    "eyJhbGciOiJFZERTQSJ9",
    "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
];

#[test]
fn eddsa_of_rfc_8037_a_4() {
    verifies(Algorithm::EdDsa, &ED25519, ED25519_TOKEN);
}

/// Ed25519 signs without chance, so that the signature of the RFC comes out to the bit.
#[test]
fn eddsa_signs_as_rfc_8037_a_4_does() {
    let mut jwk = made::jwk(&ED25519);
    jwk.insert(
        "d".to_owned(),
        "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A".into(),
    );
    let [header, payload, signature] = ED25519_TOKEN;
    let signed = SigningKey::from_jwk(&jwk)
        .unwrap()
        .sign(Algorithm::EdDsa, format!("{header}.{payload}").as_bytes())
        .unwrap();
    assert_eq!(made::encoded(&signed), signature);
}
