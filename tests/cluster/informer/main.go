// Command informer runs one stock client-go shared informer with its default
// settings and prints everything it sees as JSON lines. It stands for the
// kubelets, controllers and operators that a test has no room to run: what it
// believes after an outage is what they would believe.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// resources are the ones a node's components keep informers on.
var resources = map[string]schema.GroupVersionResource{
	"configmaps":     {Version: "v1", Resource: "configmaps"},
	"endpointslices": {Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	"nodes":          {Version: "v1", Resource: "nodes"},
	"pods":           {Version: "v1", Resource: "pods"},
	"services":       {Version: "v1", Resource: "services"},
}

type options struct {
	kubeconfig    string
	resource      string
	namespace     string
	labelSelector string
	fieldSelector string
	userAgent     string
	contentType   string
	duration      time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.kubeconfig, "kubeconfig", "", "path of the kubeconfig to use")
	flag.StringVar(&o.resource, "resource", "configmaps", "one of "+strings.Join(resourceNames(), ", "))
	flag.StringVar(&o.namespace, "namespace", metav1.NamespaceAll, "namespace to look at; all when empty")
	flag.StringVar(&o.labelSelector, "label-selector", "", "label selector of the list and the watch")
	flag.StringVar(&o.fieldSelector, "field-selector", "", "field selector of the list and the watch")
	flag.StringVar(&o.userAgent, "user-agent", "", "User-Agent header; client-go's own when empty")
	flag.StringVar(&o.contentType, "content-type", "", "media type to speak; client-go's default, protobuf, when empty")
	flag.DurationVar(&o.duration, "duration", 0, "how long to run; until SIGTERM when 0")
	flag.Parse()

	if err := run(o, newPrinter(os.Stdout)); err != nil {
		fmt.Fprintf(os.Stderr, "informer: %v\n", err)
		os.Exit(1)
	}
}

func run(o options, out *printer) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if o.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.duration)
		defer cancel()
	}
	// Registered before the first line is printed, so that whoever read a line may send it.
	dump := make(chan os.Signal, 1)
	signal.Notify(dump, syscall.SIGUSR1)

	client, err := newClient(o, out)
	if err != nil {
		return err
	}
	gvr, ok := resources[o.resource]
	if !ok {
		return fmt.Errorf("unknown resource %q: want one of %v", o.resource, resourceNames())
	}
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0,
		informers.WithNamespace(o.namespace),
		informers.WithTweakListOptions(func(list *metav1.ListOptions) {
			list.LabelSelector = o.labelSelector
			list.FieldSelector = o.fieldSelector
		}))
	generic, err := factory.ForResource(gvr)
	if err != nil {
		return fmt.Errorf("cannot build the informer of %s: %w", gvr, err)
	}
	informer := generic.Informer()
	if err := informer.SetWatchErrorHandler(func(_ *cache.Reflector, err error) {
		out.print(line{"type": "watchError", "error": err.Error()})
	}); err != nil {
		return err
	}
	if _, err := informer.AddEventHandler(handlers(out)); err != nil {
		return err
	}

	factory.Start(ctx.Done())
	go func() {
		if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
			out.print(line{"type": "synced", "count": len(informer.GetStore().ListKeys())})
		}
	}()
	for {
		select {
		case <-dump:
			out.printStore(informer.GetStore())
		case <-ctx.Done():
			factory.Shutdown()
			out.printStore(informer.GetStore())
			return nil
		}
	}
}

func newClient(o options, out *printer) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig %q: %w", o.kubeconfig, err)
	}
	if o.userAgent != "" {
		config.UserAgent = o.userAgent
	}
	if o.contentType != "" {
		config.ContentType = o.contentType
		config.AcceptContentTypes = o.contentType
	}
	config.WarningHandler = warnings{out}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &recorder{next: next, out: out}
	})
	return kubernetes.NewForConfig(config)
}

func handlers(out *printer) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { out.printObject("add", object) },
		UpdateFunc: func(_, object any) { out.printObject("update", object) },
		DeleteFunc: func(object any) { out.printObject("delete", object) },
	}
}

// recorder prints a line when the headers of an answer arrive, so a watch shows when it opens.
type recorder struct {
	next http.RoundTripper
	out  *printer
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if err != nil {
		r.out.print(line{
			"type": "requestError", "method": request.Method, "url": request.URL.String(), "error": err.Error(),
		})
		return response, err
	}
	r.out.print(line{
		"type": "request", "method": request.Method, "url": request.URL.String(), "status": response.StatusCode,
		"contentType": response.Header.Get("Content-Type"),
	})
	return response, nil
}

type warnings struct{ out *printer }

var _ rest.WarningHandler = warnings{}

func (w warnings) HandleWarningHeader(code int, agent, text string) {
	w.out.print(line{"type": "warning", "code": code, "agent": agent, "text": text})
}

func resourceNames() []string {
	names := make([]string, 0, len(resources))
	for name := range resources {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
