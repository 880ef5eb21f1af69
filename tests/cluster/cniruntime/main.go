// Command cniruntime calls CNI plugins as containerd does: it stays, takes the
// first network of a folder, runs all commands at once and remembers what it
// has added in libcni's own cache. It takes one command per line as JSON and
// answers each with a line, in the order in which they end. As `serve` and
// `ask` it is also what a pod does here: echo, and see whether another answers.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/types"
)

// command is one line of the input.
type command struct {
	ID string `json:"id"`
	// Op is one of add, del, check and gc.
	Op          string      `json:"op"`
	ContainerID string      `json:"containerID"`
	NetNS       string      `json:"netns"`
	IfName      string      `json:"ifName"`
	Args        [][2]string `json:"args"`
	// CapabilityArgs are given to the plugins that ask for them.
	CapabilityArgs map[string]any `json:"capabilityArgs"`
	// Valid are the attachments that a gc leaves alone.
	Valid []types.GCAttachment `json:"valid"`
}

type failure struct {
	// Code is CNI's; 0 where the error is not a plugin's.
	Code    uint   `json:"code"`
	Message string `json:"msg"`
}

type answer struct {
	ID     string          `json:"id"`
	Result json.RawMessage `json:"result,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "cniruntime: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 0 && args[0] == "serve" {
		return serve()
	}
	if len(args) > 0 && args[0] == "ask" {
		return ask(args[1:])
	}
	return takeCommands(args)
}

func takeCommands(args []string) error {
	flags := flag.NewFlagSet("cniruntime", flag.ExitOnError)
	plugins := flags.String("plugins", "/opt/cni/bin", "folders of the plugins, separated by colons")
	networks := flags.String("networks", "/etc/cni/net.d", "folder of the networks")
	_ = flags.Parse(args)
	// No folder for its cache: it is where containerd has it, /var/lib/cni.
	config := libcni.NewCNIConfig(strings.Split(*plugins, ":"), nil)
	out := json.NewEncoder(os.Stdout)
	var mutex sync.Mutex
	var all sync.WaitGroup
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fmt.Errorf("cannot read the command %q: %w", lines.Text(), err)
		}
		all.Go(func() {
			result, err := c.do(config, *networks)
			mutex.Lock()
			defer mutex.Unlock()
			_ = out.Encode(answer{ID: c.ID, Result: result, Error: failureOf(err)})
		})
	}
	all.Wait()
	return lines.Err()
}

func (c command) do(config *libcni.CNIConfig, folder string) (json.RawMessage, error) {
	network, err := firstNetwork(folder)
	if err != nil {
		return nil, err
	}
	attachment := &libcni.RuntimeConf{
		ContainerID: c.ContainerID, NetNS: c.NetNS, IfName: c.IfName, Args: c.Args,
		CapabilityArgs: c.CapabilityArgs,
	}
	ctx := context.Background()
	switch c.Op {
	case "add":
		result, err := config.AddNetworkList(ctx, network, attachment)
		if err != nil {
			return nil, err
		}
		return json.Marshal(result)
	case "del":
		return nil, config.DelNetworkList(ctx, network, attachment)
	case "check":
		return nil, config.CheckNetworkList(ctx, network, attachment)
	case "gc":
		return nil, config.GCNetworkList(ctx, network, &libcni.GCArgs{ValidAttachments: c.Valid})
	}
	return nil, fmt.Errorf("cannot do %q", c.Op)
}

// firstNetwork reads anew for each command, as files may come and go at any
// time. containerd takes the first that it can load (max_conf_num is 1).
func firstNetwork(folder string) (*libcni.NetworkConfigList, error) {
	files, err := libcni.ConfFiles(folder, []string{".conf", ".conflist", ".json"})
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		if network, err := load(file); err == nil {
			return network, nil
		}
	}
	return nil, fmt.Errorf("no network config found in %s: cni plugin not initialized", folder)
}

func load(file string) (*libcni.NetworkConfigList, error) {
	if filepath.Ext(file) == ".conflist" {
		return libcni.ConfListFromFile(file)
	}
	single, err := libcni.ConfFromFile(file)
	if err != nil {
		return nil, err
	}
	return libcni.ConfListFromConf(single)
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	var said *types.Error
	if errors.As(err, &said) {
		return &failure{Code: said.Code, Message: err.Error()}
	}
	return &failure{Message: err.Error()}
}
