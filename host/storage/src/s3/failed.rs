//! What a failure of the bucket means for the user, said once for all calls.

use packhouse_model::error::Error;

use super::bucket_path::BucketPath;

/// Whether the object is not there. A bucket that is not there is another matter.
pub(super) fn is_gone(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::NotFound { .. })
        && code(&text(error)).as_deref() != Some("NoSuchBucket")
}

/// Whether a range was requested that starts beyond the end of an object.
pub(super) fn is_out_of_range(error: &object_store::Error) -> bool {
    let said = text(error);
    code(&said).as_deref() == Some("InvalidRange") || said.contains("416 Range Not Satisfiable")
}

/// Translates an error of object_store: what the server said, or what kept it from being asked.
pub(super) fn failed(
    doing: &'static str,
    what: String,
    place: &BucketPath,
    error: object_store::Error,
) -> Error {
    let said = text(&error);
    let code = code(&said);
    let way_out = way_out(code.as_deref(), &said, &error);
    let reason = match (&code, within(&said, "Message")) {
        (Some(code), Some(message)) => {
            format!("the server says {code}: {}", message.trim_end_matches('.'))
        }
        (Some(code), None) => format!("the server says {code}"),
        (None, _) => root(&error),
    };
    Error::Storage { doing, place: what, server: place.server().to_owned(), reason, way_out }
}

/// What an error says, with all that caused it. Requests are signed in headers, which errors never
/// show.
fn text(error: &object_store::Error) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(at) = cause {
        said.push('\n');
        said.push_str(&at.to_string());
        cause = at.source();
    }
    said
}

/// What was first in the chain of causes.
fn root(error: &object_store::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(cause) = at.source() {
        at = cause;
    }
    // Responses may be whole pages: their beginning will do.
    at.to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .trim_end_matches(['.', ':', ' '])
        .chars()
        .take(300)
        .collect()
}

fn within(said: &str, tag: &str) -> Option<String> {
    let (_, rest) = said.split_once(&format!("<{tag}>"))?;
    let (inner, _) = rest.split_once(&format!("</{tag}>"))?;
    Some(inner.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The server's error code.
fn code(said: &str) -> Option<String> {
    within(said, "Code").filter(|code| !code.is_empty())
}

/// Whether a server says that it does not know the header with an upload's checksum.
fn refuses_checksum(code: Option<&str>, said: &str) -> bool {
    let said = said.to_ascii_lowercase();
    let refused = matches!(
        code,
        Some("NotImplemented" | "InvalidRequest" | "InvalidArgument" | "NotSupported")
    ) || (code.is_none() && said.contains("501 not implemented"));
    refused && (said.contains("checksum") || code == Some("NotImplemented"))
}

fn way_out(code: Option<&str>, said: &str, error: &object_store::Error) -> &'static str {
    const KEYS: &str = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, when they are temporary)";
    const REGION: &str =
        "Set AWS_REGION to the region of the bucket, or AWS_ENDPOINT_URL to the server that has it";
    match code {
        Some("NoSuchBucket") => {
            "Create the bucket first, or check its name, AWS_REGION and AWS_ENDPOINT_URL"
        }
        Some(
            "SignatureDoesNotMatch"
            | "InvalidAccessKeyId"
            | "NotSignedUp"
            | "InvalidToken"
            | "ExpiredToken"
            | "InvalidSecurity",
        ) => KEYS,
        Some("AccessDenied" | "AllAccessDisabled") => {
            "Grant these credentials the permissions in docs/operations.md for bucket and prefix"
        }
        Some("RequestTimeTooSkewed") => "Correct the clock of this machine",
        Some(
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
        ) => REGION,
        Some("BadDigest" | "XAmzContentSHA256Mismatch" | "InvalidDigest") => {
            "The bytes were changed in transit; try again"
        }
        _ if refuses_checksum(code, said) => {
            "The server does not accept the checksum of uploads: set PACKHOUSE_S3_CHECKSUM to crc64nvme or none; packhouse doctor says which one it accepts"
        }
        _ if said.contains("169.254.169.254") || said.contains("/latest/api/token") => {
            "There are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. From a profile: eval \"$(aws configure export-credentials --format env)\""
        }
        _ if said.contains("redirect without LOCATION") => REGION,
        _ => match error {
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => KEYS,
            object_store::Error::NotFound { .. } => {
                "Check the name of the bucket, AWS_REGION and AWS_ENDPOINT_URL"
            }
            _ => "Check AWS_ENDPOINT_URL and that the server can be reached, and try again",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_refuses_the_checksum_is_told_with_the_setting() {
        let generic = || object_store::Error::Generic { store: "S3", source: "x".into() };
        let told = |code: &str, message: &str| way_out(Some(code), message, &generic());
        let header = "A header you provided implies functionality that is not implemented";
        for (code, message) in [
            ("NotImplemented", header),
            ("InvalidRequest", "Value for x-amz-checksum-sha256 header is invalid."),
            ("InvalidArgument", "Unsupported header x-amz-sdk-checksum-algorithm"),
        ] {
            let told = told(code, message);
            assert!(told.contains("PACKHOUSE_S3_CHECKSUM") && told.contains("doctor"), "{told}");
        }
        assert!(!told("InvalidArgument", "Invalid part size").contains("CHECKSUM"));
    }

    #[test]
    fn what_the_server_says_is_told_and_its_noise_is_not() {
        let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>The signature\n is off.</Message><StringToSign>x</StringToSign></Error>";
        assert_eq!(code(body).as_deref(), Some("SignatureDoesNotMatch"));
        assert_eq!(within(body, "Message").as_deref(), Some("The signature is off."));
        assert_eq!(code("<html>502</html>"), None);
    }
}
