//! Lines of a reset plan: as Kafka's tool writes them and reads them.

/// A line: `group` only where there are several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) group: Option<String>,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

/// The line without its end.
pub(super) fn write(line: &Planned) -> String {
    let Planned {
        group,
        topic,
        partition,
        offset,
    } = line;
    let group = group.as_ref().map_or(String::new(), |group| cell(group) + ",");
    format!("{group}{},{partition},{offset}", cell(topic))
}

/// Quoted when it is long or has a character that might mean something, as Kafka's library does.
fn cell(text: &str) -> String {
    match text.chars().count() > 24 || text.chars().any(|c| c < '-') {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

/// Reads a plan. The error is the number of the line and what is wrong with it.
pub(super) fn read(text: &str) -> Result<Vec<Planned>, (usize, String)> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, text)| line(text).map_err(|why| (index + 1, why)))
        .collect()
}

fn line(text: &str) -> Result<Planned, String> {
    let mut cells = cells(text)?;
    if cells.len() != 3 && cells.len() != 4 {
        return Err(format!("{} values where 3 or 4 are expected", cells.len()));
    }
    let number = |cell: &str, what: &str| {
        let number: Result<i64, _> = cell.trim().parse();
        number.map_err(|_| format!("`{cell}` is no {what}"))
    };
    let offset = number(&cells.pop().unwrap_or_default(), "offset")?;
    let partition = cells.pop().unwrap_or_default();
    let partition =
        i32::try_from(number(&partition, "partition")?).map_err(|_| format!("`{partition}` is no partition"))?;
    let topic = cells.pop().unwrap_or_default();
    Ok(Planned {
        group: cells.pop(),
        topic,
        partition,
        offset,
    })
}

fn cells(text: &str) -> Result<Vec<String>, String> {
    let mut cells = Vec::new();
    let mut rest = text;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(',').unwrap_or(rest.len());
            cells.push(rest[..end].to_owned());
            match rest[end..].strip_prefix(',') {
                Some(after) => rest = after,
                None => return Ok(cells),
            }
            continue;
        };
        let mut cell = String::new();
        rest = quoted;
        loop {
            let end = rest.find('"').ok_or("a quote is not closed")?;
            cell.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            match rest.strip_prefix('"') {
                Some(after) => {
                    cell.push('"');
                    rest = after;
                }
                None => break,
            }
        }
        cells.push(cell);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.trim().is_empty() => return Ok(cells),
            None => return Err("something follows a closing quote".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(group: Option<&str>, topic: &str, partition: i32, offset: i64) -> Planned {
        Planned {
            group: group.map(str::to_owned),
            topic: topic.to_owned(),
            partition,
            offset,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for (line, text) in [
            (planned(None, "orders", 0, 17), "orders,0,17"),
            (planned(Some("g"), "a-b_c.d", 3, -1), "g,a-b_c.d,3,-1"),
            (planned(Some("a,\"b\""), "t", 0, 1), "\"a,\"\"b\"\"\",t,0,1"),
            (
                planned(None, "a-topic-of-more-than-24-characters", 0, 1),
                "\"a-topic-of-more-than-24-characters\",0,1",
            ),
        ] {
            assert_eq!(write(&line), text);
            assert_eq!(read(text), Ok(vec![line]));
        }
    }

    #[test]
    fn broken_lines_are_told_with_their_number() {
        let wrong = |text: &str| read(text).expect_err("it is broken");
        assert_eq!(
            wrong("t,0,1\nt,0\n"),
            (2, "2 values where 3 or 4 are expected".to_owned())
        );
        assert_eq!(wrong("t,x,1"), (1, "`x` is no partition".to_owned()));
        assert_eq!(wrong("t,5000000000,1"), (1, "`5000000000` is no partition".to_owned()));
        assert_eq!(wrong("t,0,1.5"), (1, "`1.5` is no offset".to_owned()));
        assert_eq!(wrong("\"t,0,1"), (1, "a quote is not closed".to_owned()));
        assert_eq!(wrong("\"t\"x,0,1"), (1, "something follows a closing quote".to_owned()));
        assert_eq!(read("\n\n"), Ok(Vec::new()));
    }
}
