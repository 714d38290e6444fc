// The project "unit" with some test files only: MUTATION_TESTS has their paths in the checkout, with commas between them.
import all from "../../jest.config.js";

const { displayName: _, ...unit } = all.projects.find(({ displayName }) => displayName === "unit");

export default {
  ...unit,
  rootDir: "../..",
  testMatch: process.env.MUTATION_TESTS.split(",").map((file) => `<rootDir>/${file}`),
};
