package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/cache"
)

// line is one JSON object of the output; print adds the time.
type line map[string]any

// printer writes whole lines only, from any goroutine.
type printer struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func newPrinter(w io.Writer) *printer {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return &printer{encoder: encoder}
}

func (p *printer) print(l line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l["at"] = time.Now().UnixMilli()
	if err := p.encoder.Encode(l); err != nil {
		// Nobody reads any more: the test that started us is gone.
		fmt.Fprintf(os.Stderr, "informer: cannot print: %v\n", err)
		os.Exit(1)
	}
}

func (p *printer) printObject(event string, object any) {
	// A delete that was missed comes wrapped, with the last state that was seen.
	tombstone, missed := object.(cache.DeletedFinalStateUnknown)
	if missed {
		object = tombstone.Obj
	}
	accessor, err := meta.Accessor(object)
	if err != nil {
		p.print(line{"type": "watchError", "error": fmt.Sprintf("%s of a %T: %v", event, object, err)})
		return
	}
	l := line{
		"type": event,
		"key":  cache.MetaObjectToName(accessor).String(),
		"rv":   accessor.GetResourceVersion(),
		"uid":  accessor.GetUID(),
	}
	if missed {
		l["missed"] = true
	}
	p.print(l)
}

func (p *printer) printStore(store cache.Store) {
	keys := map[string]string{}
	for _, object := range store.List() {
		if accessor, err := meta.Accessor(object); err == nil {
			keys[cache.MetaObjectToName(accessor).String()] = accessor.GetResourceVersion()
		}
	}
	p.print(line{"type": "store", "keys": keys})
}
