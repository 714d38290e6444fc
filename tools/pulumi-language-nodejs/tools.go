//go:build tools

// Package tools names what this module pins. It is a module of its own: the Pulumi CLI needs another version of the
// same SDK, and the language host left the SDK's module after this version.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"
