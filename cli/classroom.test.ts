import { forEachStudent, parseStudents, reason, sheet, stackOf, type Student } from "./classroom.ts";

describe("parseStudents", () => {
  it("reads ids, names and addresses, and does without the last two", () => {
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
    ["a list without id", "name\nAda\n", /line 2: id is ""/],
    [
      "an id that no stack can have",
      "id\nAda Lovelace\n",
      /line 2: id is "Ada Lovelace"; it must be 1 to 30/,
    ],
    ["the same id twice", "id\nada\nbob\nada\n", /line 4: id "ada" is on line 2 too/],
    ["an id below an empty line", "id\n\nada\n\nada\n", /line 5: id "ada" is on line 3 too/],
    ["a line with too many values", "id\nada,x\n", /cannot be read: .*line 2/],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseStudents(text)).toThrow(message);
  });

  it("uses no address as a tag that AWS would not take", () => {
    expect(parseStudents("id,email\nada,<ada>\n")[0]?.contact).toBe("student-ada");
  });
});

describe("forEachStudent", () => {
  const students: Student[] = ["a", "b", "c", "d", "e"].map((id) => ({ id, name: id, contact: id }));

  it("runs at most so many at once, and all of them", async () => {
    let now = 0;
    let most = 0;
    const outcomes = await forEachStudent(students, 2, async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setTimeout(resolve, 5));
      now -= 1;
    });
    expect(most).toBe(2);
    expect(outcomes.map(({ student, failure }) => [student.id, failure])).toEqual(
      students.map(({ id }) => [id, undefined]),
    );
  });

  it("tells who failed and why, and stops nobody else", async () => {
    const outcomes = await forEachStudent(students, 3, ({ id }) =>
      id === "b" ? Promise.reject(new Error("api error VcpuLimitExceeded: too much")) : Promise.resolve(),
    );
    expect(outcomes.map(({ failure }) => failure?.slice(0, 17))).toEqual([
      undefined,
      "VcpuLimitExceeded",
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("begins nothing new after an interrupt", async () => {
    const begun: string[] = [];
    const outcomes = await forEachStudent(
      students,
      1,
      ({ id }) => Promise.resolve(void begun.push(id)),
      () => begun.length >= 2,
    );
    expect(begun).toEqual(["a", "b"]);
    expect(outcomes.slice(2).map(({ failure }) => failure)).toEqual(Array(3).fill("not begun: interrupted"));
  });
});

describe("reason", () => {
  it("is AWS's advice where there is some", () => {
    expect(reason("x\napi error VpcLimitExceeded: y\nz")).toMatch(/^VpcLimitExceeded: .*Service Quotas/);
  });
  it("is the last line that says error, else the first", () => {
    expect(reason("code: 255\n stderr: error: one\n error: two\nbye")).toBe("error: two");
    expect(reason("\nno luck\n")).toBe("no luck");
  });
});

describe("sheet", () => {
  it("tells a student how to log in, when it ends, and what it costs", () => {
    const text = sheet(
      { id: "ada", name: "Ada", contact: "ada" },
      [{ name: "node1", roles: ["client", "ray-head"] }],
      {
        created: "2026-11-25T18:00:00Z",
        expires: "2026-11-25T22:00:00Z",
        costEstimate: { perHour: 0.3582, untilExpiry: 1.4327, basis: "prices of a day" },
      },
    );
    expect(text).toContain("# Lab of Ada");
    expect(text).toContain("**2026-11-25T22:00:00Z**");
    expect(text).toContain("    ssh -F config node1        # client, ray-head");
    expect(text).toContain("about 0.36 USD an hour, 1.43 USD in all (prices of a day)");
  });
});

it("names a student's stack so that a class is seen as one", () => {
  expect(stackOf({ id: "ada", name: "Ada", contact: "ada" })).toBe("class-ada");
});
