//! Which client door a person means: what can be understood is taken, and what cannot comes with what to write.

/// Where a client door is unless set otherwise.
const PORT: u16 = 19_540;

/// The client door that `--connect` names, as `host:port`.
///
/// # Errors
/// What is wrong with it and how it is written.
pub fn client_door(text: &str) -> Result<String, String> {
    let wrong = |why: &str| {
        format!("{why}; write HOST:PORT, for example 127.0.0.1:{PORT}, localhost:{PORT} or [::1]:{PORT}")
    };
    let text = text.trim();
    let bare = match text.split_once("://") {
        // People copy the URI of Milvus's clients and change the port. It is the same host, and no HTTP.
        Some(("http" | "tcp", rest)) => rest.strip_suffix('/').unwrap_or(rest),
        Some((scheme, _)) => return Err(wrong(&format!("a client door does not speak {scheme}"))),
        None => text,
    };
    let (host, port) = match bare.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (bare, None),
    };
    let is_bracketed = host.len() > 2 && host.starts_with('[') && host.ends_with(']');
    if host.is_empty() {
        return Err(wrong("it names no host"));
    }
    if !is_bracketed && host.contains([':', '[', ']']) {
        return Err(wrong("an IPv6 address stands in brackets"));
    }
    if host.contains(|letter: char| letter.is_whitespace() || matches!(letter, '/' | '@' | '?' | ',')) {
        return Err(wrong("it is no address"));
    }
    let number = port.map_or(Ok(PORT), str::parse::<u16>);
    match number {
        Ok(port) if port != 0 => Ok(format!("{host}:{port}")),
        _ => Err(wrong("its port is no number from 1 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_understood_is_taken() {
        for (text, door) in [
            ("10.0.0.2:7", "10.0.0.2:7"),
            ("localhost:19540", "localhost:19540"),
            ("localhost", "localhost:19540"),
            ("http://localhost:7", "localhost:7"),
            ("http://host-1.example:7/", "host-1.example:7"),
            ("tcp://10.0.0.2", "10.0.0.2:19540"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:19540"),
            (" 10.0.0.2:7 ", "10.0.0.2:7"),
        ] {
            assert_eq!(client_door(text).as_deref(), Ok(door), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_comes_with_what_to_write() {
        for (text, why) in [
            ("", "no host"),
            (":7", "no host"),
            ("http://", "no host"),
            ("localhost:", "port"),
            ("localhost:0", "port"),
            ("localhost:65536", "port"),
            ("localhost:one", "port"),
            ("::1:7", "brackets"),
            ("[]:7", "brackets"),
            ("https://localhost:7", "does not speak https"),
            ("http://localhost:7/v2", "port"),
            ("a b:7", "no address"),
            ("one:7,two:7", "brackets"),
            ("one,two:7", "no address"),
        ] {
            let told = client_door(text);
            assert!(
                told.as_ref().is_err_and(|told| told.contains(why) && told.contains("HOST:PORT")),
                "{text:?}: {told:?}"
            );
        }
    }
}
