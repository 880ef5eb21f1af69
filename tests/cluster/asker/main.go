// Command asker does what a kubelet asks of its API server beside reading: it
// records Events with a stock client-go recorder, and requests and reviews
// tokens with the stock typed client, in protobuf. It takes one command per
// line as JSON and prints what came of it, and every request, as JSON lines.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/record"
)

// command is one line of the input; exactly one of its parts is set.
type command struct {
	Event  *event  `json:"event"`
	Token  *token  `json:"token"`
	Review *review `json:"review"`
}

type event struct {
	Pod     podReference `json:"pod"`
	Reason  string       `json:"reason"`
	Message string       `json:"message"`
	// Group has it recorded by way of events.k8s.io/v1, as kube-proxy does.
	Group bool `json:"group"`
}

type token struct {
	Account string       `json:"account"`
	Pod     podReference `json:"pod"`
}

type review struct {
	Token string `json:"token"`
}

type podReference struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
}

type line map[string]any

func main() {
	kubeconfig := flag.String("kubeconfig", "", "path of the kubeconfig to use")
	flag.Parse()
	if err := run(*kubeconfig); err != nil {
		fmt.Fprintf(os.Stderr, "asker: %v\n", err)
		os.Exit(1)
	}
}

func run(kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("cannot read the kubeconfig %q: %w", kubeconfig, err)
	}
	// As the kubelet sets them.
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	out := &printer{}
	config.WarningHandler = rest.NoWarnings{}
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return &observer{next: next, out: out}
	})
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: client.CoreV1().Events("")})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "kubelet", Host: "edge-1"})
	groupBroadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	if err := groupBroadcaster.StartRecordingToSinkWithContext(context.Background()); err != nil {
		return err
	}
	groupRecorder := groupBroadcaster.NewRecorder(scheme.Scheme, "kube-proxy")

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("cannot read the command %q: %w", lines.Text(), err)
		}
		switch {
		case c.Event != nil:
			pod := c.Event.Pod.reference()
			if c.Event.Group {
				groupRecorder.Eventf(pod, nil, corev1.EventTypeNormal, c.Event.Reason, "Testing", "%s", c.Event.Message)
			} else {
				recorder.Event(pod, corev1.EventTypeNormal, c.Event.Reason, c.Event.Message)
			}
		case c.Token != nil:
			out.print(askToken(client, *c.Token))
		case c.Review != nil:
			out.print(askReview(client, *c.Review))
		}
	}
	return lines.Err()
}

// askToken asks as the kubelet does for the projected volume of a pod.
func askToken(client kubernetes.Interface, t token) line {
	expiration := int64(3607)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: &expiration,
		BoundObjectRef: &authenticationv1.BoundObjectReference{
			APIVersion: "v1", Kind: "Pod", Name: t.Pod.Name, UID: types.UID(t.Pod.UID),
		},
	}}
	answer, err := client.CoreV1().ServiceAccounts(t.Pod.Namespace).
		CreateToken(context.Background(), t.Account, request, metav1.CreateOptions{})
	if err != nil {
		return line{"type": "token", "error": err.Error()}
	}
	return line{"type": "token", "token": answer.Status.Token, "expires": answer.Status.ExpirationTimestamp}
}

func askReview(client kubernetes.Interface, r review) line {
	request := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: r.Token}}
	answer, err := client.AuthenticationV1().TokenReviews().
		Create(context.Background(), request, metav1.CreateOptions{})
	if err != nil {
		return line{"type": "review", "error": err.Error()}
	}
	return line{
		"type": "review", "authenticated": answer.Status.Authenticated, "user": answer.Status.User.Username,
	}
}

func (p podReference) reference() *corev1.ObjectReference {
	return &corev1.ObjectReference{
		Kind: "Pod", APIVersion: "v1", Namespace: p.Namespace, Name: p.Name, UID: types.UID(p.UID),
	}
}

// observer prints a line for every answer.
type observer struct {
	next http.RoundTripper
	out  *printer
}

func (o *observer) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := o.next.RoundTrip(request)
	if err != nil {
		o.out.print(line{"type": "requestError", "method": request.Method, "error": err.Error()})
		return response, err
	}
	o.out.print(line{
		"type": "request", "method": request.Method, "path": request.URL.Path, "status": response.StatusCode,
		"sent": request.Header.Get("Content-Type"), "got": response.Header.Get("Content-Type"),
	})
	return response, nil
}

// printer writes whole lines, from any goroutine.
type printer struct{ mutex sync.Mutex }

func (p *printer) print(l line) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(l)
}
