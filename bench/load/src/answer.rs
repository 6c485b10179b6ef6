//! Is an HTTP answer whole, and what is its status: no more is looked at.

/// What the bytes so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A whole answer with this status.
    Whole(u16),
    /// More is to come.
    Partial,
    /// Not an answer.
    Senseless,
}

/// Looks at what came so far.
pub fn parse(bytes: &[u8]) -> Answer {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Answer::Partial };
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let Some(status) = status(head) else { return Answer::Senseless };
    let whole = match length(head) {
        Some(length) => Some(body.len() >= length),
        None => chunks_end(body),
    };
    match whole {
        Some(true) => Answer::Whole(status),
        Some(false) => Answer::Partial,
        None => Answer::Senseless,
    }
}

fn status(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head.strip_prefix(b"HTTP/1.1 ")?.get(..3)?).ok()?.parse().ok()
}

/// `Content-Length`; without one the body comes in chunks.
fn length(head: &[u8]) -> Option<usize> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        let value = name.eq_ignore_ascii_case(b"content-length").then_some(&value[1..])?;
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    })
}

/// Whether the last chunk is there, without trailers; `None` when these are no chunks.
fn chunks_end(mut body: &[u8]) -> Option<bool> {
    loop {
        let Some(line) = find(body, b"\r\n") else { return Some(false) };
        let size = usize::from_str_radix(std::str::from_utf8(&body[..line]).ok()?.trim(), 16).ok()?;
        let Some(rest) = body.get(line + 2 + size + 2..) else { return Some(false) };
        if size == 0 {
            return Some(true);
        }
        body = rest;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole_only_at_its_end(answer: &str, status: u16) {
        for cut in 0..answer.len() {
            assert_eq!(parse(&answer.as_bytes()[..cut]), Answer::Partial, "{cut}");
        }
        assert_eq!(parse(answer.as_bytes()), Answer::Whole(status));
    }

    #[test]
    fn an_answer_is_whole_at_its_last_byte() {
        whole_only_at_its_end("HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 5\r\n\r\nhello", 200);
        whole_only_at_its_end("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 503);
        whole_only_at_its_end(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA\r\n0\r\n\r\n56789\r\n0\r\n\r\n",
            200,
        );
    }

    #[test]
    fn anything_else_is_senseless() {
        assert_eq!(parse(b"SSH-2.0\r\n\r\n"), Answer::Senseless);
        assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\nhello\r\n"), Answer::Senseless);
    }
}
