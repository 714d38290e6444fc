// Command dashboard-schema reads Grafana dashboards with the strict parser of Grafana's Foundation SDK, which refuses unknown
// fields, wrong types and missing required fields. The SDK's npm package, which makes the dashboards, has no such parser.
//
// Usage: dashboard-schema FILE...
//
// Prints TAP: one test for each file, and one for each fault that is put into the first file and must be refused.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/variants"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// The panel and query types of the lab's dashboards. The SDK accepts any options for a type that is not registered.
var (
	panels  = []variants.PanelcfgConfig{timeseries.VariantConfig()}
	queries = []variants.DataqueryConfig{prometheus.VariantConfig()}
)

// check returns what the SDK refuses in a dashboard, or nil.
func check(text []byte) error {
	var whole dashboard.Dashboard
	if err := refused(whole.UnmarshalJSONStrict(text)); err != nil {
		return err
	}
	// The SDK drops the panels of a dashboard that it has read strictly, so each is read once more for its constraints.
	var raw struct {
		Panels []json.RawMessage `json:"panels"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	for index, each := range raw.Panels {
		var panel dashboard.Panel
		if err := refused(panel.UnmarshalJSONStrict(each)); err != nil {
			return fmt.Errorf("panels[%d]: %w", index, err)
		}
		if !slices.ContainsFunc(panels, func(known variants.PanelcfgConfig) bool { return known.Identifier == panel.Type }) {
			return fmt.Errorf("panels[%d].type: %q is not registered in tools/dashboard-schema/main.go", index, panel.Type)
		}
		if err := refused(panel.Validate()); err != nil {
			return fmt.Errorf("panels[%d]: %w", index, err)
		}
	}
	return refused(whole.Validate())
}

// refused turns the SDK's empty list of errors, which is not nil as an error, into nil.
func refused(err error) error {
	var list cog.BuildErrors
	if errors.As(err, &list) && len(list) == 0 {
		return nil
	}
	return err
}

// A fault changes a dashboard so that check must refuse it, and says with which words.
type fault struct {
	words  string
	change func(dashboard, panel map[string]any)
}

var faults = []fault{
	{"unexpected field 'unknown'", func(d, _ map[string]any) { d["unknown"] = 1 }},
	{"options.Options: unexpected field 'unknown'", func(_, p map[string]any) { p["options"].(map[string]any)["unknown"] = 1 }},
	{"targets[0].expr: json: cannot unmarshal number", func(_, p map[string]any) {
		p["targets"].([]any)[0].(map[string]any)["expr"] = 1
	}},
	{"gridPos.w", func(_, p map[string]any) { p["gridPos"].(map[string]any)["w"] = 25 }},
	{`type: "timeserie" is not registered`, func(_, p map[string]any) { p["type"] = "timeserie" }},
}

// refusal returns an error unless check refuses the dashboard with this fault.
func refusal(text []byte, each fault) error {
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return err
	}
	each.change(whole, whole["panels"].([]any)[0].(map[string]any))
	changed, err := json.Marshal(whole)
	if err != nil {
		return err
	}
	if err := check(changed); err == nil || !strings.Contains(err.Error(), each.words) {
		return fmt.Errorf("check said: %v", err)
	}
	return nil
}

func main() {
	runtime := cog.NewRuntime()
	for _, config := range panels {
		runtime.RegisterPanelcfgVariant(config)
	}
	for _, config := range queries {
		runtime.RegisterDataqueryVariant(config)
	}
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboard-schema FILE...")
		os.Exit(2)
	}
	count, failed := 0, false
	report := func(title string, err error) {
		count++
		if err != nil {
			failed = true
			fmt.Printf("not ok %d - %s\n# %s\n", count, title, strings.ReplaceAll(err.Error(), "\n", "\n# "))
			return
		}
		fmt.Printf("ok %d - %s\n", count, title)
	}
	for index, file := range os.Args[1:] {
		text, err := os.ReadFile(file)
		if err == nil {
			err = check(text)
		}
		report(filepath.Base(file)+" is accepted by the strict parser", err)
		if index > 0 {
			continue
		}
		for _, each := range faults {
			report("a fault is refused: "+each.words, refusal(text, each))
		}
	}
	fmt.Printf("1..%d\n", count)
	if failed {
		os.Exit(1)
	}
}
