// Tables as files: reading what Excel, pandas and notepads write, and writing what Excel opens as it is.

const BOM = "\ufeff"; // without it Excel takes UTF-8 for CP949
const FORMULA = /^\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/; // also the full-width signs, which Excel takes too
const NUMBER = /^[+-]?\d+(\.\d+)?$/;
const NO_DELIMITER = "\0"; // one text in each line
const DELIMITERS = [NO_DELIMITER, ",", "\t", ";"]; // the one that the first line has most of
const QUOTED = /^"([^"]*(?:""[^"]*)*)"(.*)$/s; // what stands behind the closing quote belongs to the cell too

/** A file that cannot be read; the message says in Korean what to do. */
export class FileProblem extends Error {}

/** Return the text of a file and the name of its encoding: UTF-8, UTF-16 or CP949, told apart by its bytes. */
export function decode(bytes) {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) {
    throw new FileProblem("엑셀 통합 문서(xlsx)입니다. 엑셀에서 'CSV UTF-8'로 저장한 뒤 그 파일을 골라 주세요.");
  }
  const marked = { "255,254": "utf-16le", "254,255": "utf-16be" }[`${bytes[0]},${bytes[1]}`];
  if (marked) return { text: new TextDecoder(marked).decode(bytes), encoding: "UTF-16" };
  for (const [encoding, name] of [["utf-8", "UTF-8"], ["euc-kr", "CP949"]]) {
    try {
      return { text: new TextDecoder(encoding, { fatal: true }).decode(bytes), encoding: name };
    } catch {
      continue;
    }
  }
  throw new FileProblem("글자를 읽을 수 없는 파일입니다. UTF-8이나 CP949 CSV로 저장해 주세요.");
}

/** Return the rows of a table as arrays of strings; empty lines are left out. */
export function parse(text) {
  const firstLine = text.split(/\r?\n/, 1)[0];
  const count = (delimiter) => firstLine.split(delimiter).length;
  const delimiter = DELIMITERS.reduce((best, one) => (count(one) > count(best) ? one : best));
  const rows = delimiter === "\t" ? parseTabs(text) : parseQuoted(text, delimiter);
  return rows.filter((row) => row.length > 1 || row[0] !== "");
}

// Corpora are tab-separated with quotes that mean nothing: only a cell wholly inside quotes has them taken off.
function parseTabs(text) {
  const unquote = (cell) => (/^"([^"]|"")*"$/.test(cell) ? cell.slice(1, -1).replaceAll('""', '"') : cell);
  return text.split(/\r?\n/).map((line) => line.split("\t").map(unquote));
}

function parseQuoted(text, delimiter) {
  const plain = `[^${delimiter}\r\n]*`;
  const piece = new RegExp(`("[^"]*(?:""[^"]*)*"${plain}|(?!")${plain})(${delimiter}|\r?\n|\r|$)`, "y");
  const rows = [];
  let row = [];
  while (piece.lastIndex < text.length) {
    const at = piece.lastIndex;
    const found = piece.exec(text);
    if (!found) throw new FileProblem(`${text.slice(0, at).split("\n").length}째 줄의 따옴표가 맞지 않습니다. 고친 뒤 다시 골라 주세요.`);
    const [, cell, separator] = found;
    row.push(cell.replace(QUOTED, (_, inside, behind) => inside.replaceAll('""', '"') + behind));
    if (separator !== delimiter) {
      rows.push(row);
      row = [];
    }
  }
  if (row.length) rows.push([...row, ""]); // the file ends with a delimiter
  return rows;
}

/** Save a table as a CSV file that Excel opens as it is. */
export function saveTable(name, header, rows) {
  const lines = [header, ...rows].map((row) => row.map(writeCell).join(","));
  save(name, new Blob([BOM, lines.join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" }));
}

/** Return the columns and the rows of Maps; the columns are all their keys. */
export function tabulate(maps) {
  const columns = [...new Set(maps.flatMap((one) => [...one.keys()]))];
  return [columns, maps.map((one) => columns.map((column) => one.get(column) ?? ""))];
}

function writeCell(value) {
  const text = String(value);
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text; // shown as text, never computed
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
