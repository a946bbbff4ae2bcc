// Command yamlref answers how sigs.k8s.io/yaml, the library kubectl reads manifests with, reads a text.
// It takes one JSON string per line (a YAML document) and prints one JSON object per line:
// {"json": ..., "error": "..."} for the lenient reading, "strict" for the error of the strict one.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

type answer struct {
	JSON   json.RawMessage `json:"json,omitempty"`
	Error  string          `json:"error,omitempty"`
	Strict string          `json:"strict,omitempty"`
}

// read gives both readings of one document; a panic in the library counts as a refusal.
func read(document []byte) (result answer) {
	defer func() {
		if cause := recover(); cause != nil {
			result = answer{Error: fmt.Sprint("panic: ", cause), Strict: fmt.Sprint("panic: ", cause)}
		}
	}()
	if _, err := yaml.YAMLToJSONStrict(document); err != nil {
		result.Strict = err.Error()
	}
	text, err := yaml.YAMLToJSON(document)
	if err != nil {
		result.Error = err.Error()
		return result
	}
	result.JSON = text
	return result
}

func main() {
	lines := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return
		}
		var document string
		if err := json.Unmarshal(line, &document); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := encoder.Encode(read([]byte(document))); err != nil {
			os.Exit(1)
		}
		if lines.Buffered() == 0 {
			out.Flush()
		}
	}
}
