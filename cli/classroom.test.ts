import { forEachStudent, reason, sheet, stackOf } from "./classroom.ts";
import type { Student } from "./students.ts";

describe("forEachStudent", () => {
  const students: Student[] = ["a", "b", "c", "d", "e"].map((id) => ({ id, name: id, contact: id }));

  it("runs everyone's, and at most the allowed number at once", async () => {
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

  it("reports who failed and why, and continues with the others", async () => {
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

  it("starts no further one after an interrupt", async () => {
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
  it("is the advice for an AWS error if there is some", () => {
    expect(reason("x\napi error VpcLimitExceeded: y\nz")).toMatch(/^VpcLimitExceeded: .*Service Quotas/);
  });
  it("is the last line with an error, or else the first line", () => {
    expect(reason("code: 255\n stderr: error: one\n error: two\nbye")).toBe("error: two");
    expect(reason("\nno luck\n")).toBe("no luck");
  });
});

describe("sheet", () => {
  it("tells a student how to log in, when the lab ends, and what it costs", () => {
    const text = sheet(
      { id: "ada", name: "Ada", contact: "ada" },
      [{ name: "node1", roles: ["client", "ray-head"] }],
      {
        run: "20261125T180000Z-1a2b",
        region: "us-east-1",
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
