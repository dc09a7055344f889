// Reads one JSON string a line, an image reference, and answers with one JSON object a line: how
// github.com/distribution/reference reads it, or its error.
package main

import (
	"bufio"
	_ "crypto/sha256" // algorithms exist once they are linked in, as they are in every container engine
	_ "crypto/sha512"
	"encoding/json"
	"os"

	"github.com/distribution/reference"
)

type answer struct {
	Registry   string `json:"registry,omitempty"`
	Repository string `json:"repository,omitempty"`
	Tag        string `json:"tag,omitempty"`
	Digest     string `json:"digest,omitempty"`
	Familiar   string `json:"familiar,omitempty"`
	Error      string `json:"error,omitempty"`
}

func read(text string) answer {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	found := answer{
		Registry:   reference.Domain(named),
		Repository: reference.Path(named),
		Familiar:   reference.FamiliarString(named),
	}
	if tagged, ok := named.(reference.Tagged); ok {
		found.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		found.Digest = digested.Digest().String()
	}
	return found
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var text string
		if err := json.Unmarshal(lines.Bytes(), &text); err != nil {
			panic(err)
		}
		if err := out.Encode(read(text)); err != nil {
			panic(err)
		}
	}
}
