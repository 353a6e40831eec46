//! Lines of a body, as they come.

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

/// The longest line that is kept, in bytes.
const LINE: usize = 1 << 20;

/// One line of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its bytes, without the end of the line.
    Whole(Vec<u8>),
    /// It was longer than what is kept.
    TooLong,
}

/// Cuts a body into lines. What is after the last line's end is no line.
pub(super) struct Lines<B> {
    body: B,
    /// The part of the present frame that was not looked at.
    rest: Bytes,
    line: Vec<u8>,
    is_too_long: bool,
}

impl<B> Lines<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(super) fn new(body: B) -> Self {
        Self { body, rest: Bytes::new(), line: Vec::new(), is_too_long: false }
    }

    /// The next line; `None` at the body's end. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Result<Line, B::Error>> {
        loop {
            if let Some(line) = self.cut() {
                return Some(Ok(line));
            }
            match self.body.frame().await? {
                Ok(frame) => self.rest = frame.into_data().unwrap_or_default(),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Takes from the frame up to the end of the line; a line if that was its end.
    fn cut(&mut self) -> Option<Line> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let mut piece = self.rest.split_to(end.map_or(self.rest.len(), |end| end + 1));
        if end.is_some() {
            piece.truncate(piece.len() - 1);
        }
        self.is_too_long |= self.line.len() + piece.len() > LINE;
        if self.is_too_long {
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(&piece);
        }
        end?;
        let line = std::mem::take(&mut self.line);
        Some(if std::mem::take(&mut self.is_too_long) { Line::TooLong } else { Line::Whole(line) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use proptest::prelude::*;
    use std::convert::Infallible;

    async fn cut(pieces: Vec<Vec<u8>>) -> Vec<Line> {
        let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(Bytes::from(piece))));
        let mut lines = Lines::new(StreamBody::new(futures_util::stream::iter(frames)));
        let mut found = Vec::new();
        while let Some(line) = lines.next().await {
            found.push(line.unwrap());
        }
        found
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_passed_over_and_the_next_one_read() {
        let filler = vec![b'x'; LINE];
        let found =
            cut(vec![b"a\n".to_vec(), filler.clone(), b"\n".to_vec(), filler, b"x\nb\nno end".to_vec()]);
        let found = found.await;
        assert_eq!(found.len(), 4);
        assert_eq!(found[0], Line::Whole(b"a".to_vec()));
        assert!(matches!(&found[1], Line::Whole(line) if line.len() == LINE));
        assert_eq!(found[2..], [Line::TooLong, Line::Whole(b"b".to_vec())]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_body_was_cut(bytes in "[ab\n]{0,40}", cuts: Vec<prop::sample::Index>) {
            let mut pieces = vec![bytes.clone().into_bytes()];
            for at in cuts {
                let last = pieces.pop().unwrap();
                let (left, right) = last.split_at(at.index(last.len() + 1));
                pieces.extend([left.to_vec(), right.to_vec()]);
            }
            let expected = bytes.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let expected: Vec<_> = expected.map(|line| Line::Whole(line.into())).collect();
            let found = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(cut(pieces));
            prop_assert_eq!(found, expected);
        }
    }
}
