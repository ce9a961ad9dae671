//! Splits the rows of a table over pages.

use std::ops::Range;

/// The room for rows, in points.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// On the first page.
    pub first: f32,
    /// On every other page.
    pub next: f32,
    /// The height of the part that must follow the last row on its page.
    pub tail: f32,
}

/// Distributes rows of these heights over pages. No row is split, and the part below the table never stands without a
/// row before it, unless there is none. The first page may hold no row at all; every other holds at least one.
pub fn paginate(heights: &[f32], room: Room) -> Vec<Range<usize>> {
    let mut pages = Vec::new();
    let (mut start, mut space) = (0, room.first);
    loop {
        let mut used = 0.0;
        let mut end = start;
        while let Some(height) = heights.get(end)
            && (used + height <= space || (end == start && !pages.is_empty()))
        {
            used += height;
            end += 1;
        }
        let is_all = end == heights.len();
        if is_all && (used + room.tail <= space || (end - start <= 1 && !pages.is_empty())) {
            pages.push(start..end);
            return pages;
        }
        if is_all && end > start {
            // The last row goes to the next page, with what follows.
            end -= 1;
        }
        pages.push(start..end);
        (start, space) = (end, room.next);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// After which row each page ends.
    #[rstest]
    #[case(0, &[0])]
    #[case(1, &[1])]
    #[case(6, &[6])] // 60 and 40 fill the first page
    #[case(7, &[6, 7])]
    #[case(10, &[9, 10])]
    #[case(11, &[10, 11])]
    #[case(31, &[10, 30, 31])]
    fn equal_rows(#[case] count: usize, #[case] expected: &[usize]) {
        let room = Room { first: 100.0, next: 200.0, tail: 40.0 };
        let ends: Vec<usize> = paginate(&vec![10.0; count], room).iter().map(|page| page.end).collect();
        assert_eq!(ends, expected);
    }

    #[test]
    fn no_room_on_the_first_page() {
        let room = Room { first: 5.0, next: 200.0, tail: 40.0 };
        assert_eq!(paginate(&[10.0, 10.0], room), [0..0, 0..2]);
        assert_eq!(paginate(&[], room), [0..0, 0..0]);
    }

    proptest! {
        #[test]
        fn every_row_once_and_in_order(
            heights in proptest::collection::vec(1.0_f32..300.0, 0..200),
            first in 0.0_f32..400.0,
            tail in 0.0_f32..400.0,
        ) {
            let room = Room { first, next: 400.0, tail };
            let pages = paginate(&heights, room);
            let rows: Vec<usize> = pages.iter().cloned().flatten().collect();
            prop_assert_eq!(rows, (0..heights.len()).collect::<Vec<_>>());
            for (number, page) in pages.iter().enumerate() {
                let used: f32 = heights[page.clone()].iter().sum();
                let is_last = number + 1 == pages.len();
                let space = if number == 0 { room.first } else { room.next };
                prop_assert!(used <= space + 0.01);
                let is_alone = page.len() <= 1 && number > 0;
                prop_assert!(!is_last || is_alone || used + tail <= space + 0.01);
                prop_assert!(number == 0 || !page.is_empty() || heights.is_empty());
            }
        }
    }
}
