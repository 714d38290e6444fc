import { parseStudents } from "./students.ts";

describe("parseStudents", () => {
  it("reads ids, and optional names and addresses", () => {
    expect(parseStudents('id,name,email\nada,"Lovelace, Ada",ada@example.org\n')).toEqual([
      { id: "ada", name: "Lovelace, Ada", contact: "ada@example.org" },
    ]);
    expect(parseStudents("id\nbob\n\ncarol\n")).toEqual([
      { id: "bob", name: "bob", contact: "bob" },
      { id: "carol", name: "carol", contact: "carol" },
    ]);
  });

  it.each([
    ["an empty list", "", /is empty: it needs a header/],
    ["a header alone", "id,name\n", /is empty/],
    [
      "a list without id",
      "Full name,Mail\nAda,x\n",
      /no column "id"; its columns are: "Full name", "Mail"\. .* id, and/,
    ],
    [
      "an id that no stack can have",
      "id\nAda Lovelace\n",
      /line 2: id is "Ada Lovelace"; it must be 1 to 30/,
    ],
    ["the same id twice", "id\nada\nbob\nada\n", /line 4: id "ada" is already on line 2/],
    ["an id below an empty line", "id\n\nada\n\nada\n", /line 5: id "ada" is already on line 3/],
    ["a quote that does not end", 'id\n"ada\n', /cannot be read: /],
    ["a row without its id", "id,name\n,Ada\n", /line 2: id is ""/],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseStudents(text)).toThrow(message);
  });

  it.each([
    ["semicolons", "id;name;email\r\nada;Ada;ada@example.org\r\n"],
    ["tabs", "id\tname\temail\nada\tAda\tada@example.org\n"],
    ["other headers, in another order", "E-Mail,Student ID,Full Name\nada@example.org,ADA,Ada\n"],
    ["rows of delimiters alone", "\n,,\nID,Name,Email\n,,\nada,Ada,ada@example.org\n,,\n"],
    ["columns of its own, and rows of unequal length", "id,group,name,email\nada,7,Ada,ada@example.org,,\n"],
  ])("reads a list with %s", (_, text) => {
    expect(parseStudents(text)).toEqual([{ id: "ada", name: "Ada", contact: "ada@example.org" }]);
  });

  it.each([
    ["UTF-8 with its mark", Buffer.from("\uFEFFid,name\nada,Zoë\n")],
    ["UTF-16 as Excel's Unicode text", Buffer.from("\uFEFFid\tname\r\nada\tZoë\r\n", "utf16le")],
    ["Windows-1252", Buffer.from("id;name\nada;Zoë\n", "latin1")],
  ])("reads names in %s", (_, file) => {
    expect(parseStudents(file)[0]?.name).toBe("Zoë");
  });

  it("uses no address as a tag that AWS would refuse", () => {
    expect(parseStudents("id,email\nada,<ada>\n")[0]?.contact).toBe("student-ada");
  });
});
