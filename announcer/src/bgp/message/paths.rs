//! AS paths.

use super::reader::Reader;

/// What a segment of an AS path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentKind {
    /// In no order.
    Set = 1,
    /// In order, the nearest first.
    Sequence = 2,
    /// A sequence within a confederation (RFC 5065).
    ConfederationSequence = 3,
    /// A set within a confederation.
    ConfederationSet = 4,
}

/// One segment of an AS path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'a> {
    /// What it is.
    pub kind: SegmentKind,
    numbers: &'a [u8],
    wide: bool,
}

impl Segment<'_> {
    /// The AS numbers.
    pub fn numbers(&self) -> impl Iterator<Item = u32> {
        let (wide, _) = if self.wide { self.numbers.as_chunks::<4>() } else { (&[][..], &[][..]) };
        let (narrow, _) = if self.wide { (&[][..], &[][..]) } else { self.numbers.as_chunks::<2>() };
        let narrow = narrow.iter().map(|number| u32::from(u16::from_be_bytes(*number)));
        wide.iter().map(|number| u32::from_be_bytes(*number)).chain(narrow)
    }
}

/// An AS path, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsPath<'a> {
    bytes: &'a [u8],
    wide: bool,
}

impl<'a> AsPath<'a> {
    /// Reads segments with AS numbers of four octets (`wide`) or two. `None` for a segment of an unknown type, one without
    /// numbers, or lengths that do not fit (RFC 7606 section 7.2).
    #[must_use]
    pub fn decode(bytes: &'a [u8], wide: bool) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            segment(&mut reader, wide)?;
        }
        Some(Self { bytes, wide })
    }

    /// Each segment.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> {
        let (mut reader, wide) = (Reader::new(self.bytes), self.wide);
        std::iter::from_fn(move || segment(&mut reader, wide))
    }

    /// Whether there is no segment: a route from within the AS.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

fn segment<'a>(reader: &mut Reader<'a>, wide: bool) -> Option<Segment<'a>> {
    let kind = match reader.u8()? {
        1 => SegmentKind::Set,
        2 => SegmentKind::Sequence,
        3 => SegmentKind::ConfederationSequence,
        4 => SegmentKind::ConfederationSet,
        _ => return None,
    };
    let count = usize::from(reader.u8().filter(|count| *count > 0)?);
    let numbers = reader.take(count * if wide { 4 } else { 2 })?;
    Some(Segment { kind, numbers, wide })
}
