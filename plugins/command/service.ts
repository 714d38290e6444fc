/**
 * The gRPC service that the engine calls (pulumirpc.ResourceProvider). It uses the stubs of @pulumi/pulumi directly, because the
 * SDK's own server passes on neither timeouts nor cancellation.
 */
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import * as grpc from "@grpc/grpc-js";
import messages from "@pulumi/pulumi/proto/provider_pb.js";
import plugins from "@pulumi/pulumi/proto/plugin_pb.js";
import services from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import { copyFile } from "./copyFile.ts";
import { copyToRemote } from "./copyToRemote.ts";
import { changes, type Kind } from "./diff.ts";
import { connectEngineLog, type EngineLog } from "./engineLog.ts";
import { StepError } from "./errors.ts";
import { localCommand, localRun, runFaults } from "./localCommand.ts";
import { logFor, Operations, type Operation } from "./operation.ts";
import { remoteCommand } from "./remoteCommand.ts";
import type { Fault, ResourceType } from "./resources.ts";
import { Pool } from "./ssh/pool.ts";
import { hasUnknown, unknown, type Properties, type Value } from "./wire.ts";

/** The version of the published plugin whose schema this serves. */
export const version = "1.2.1";

type Struct = ReturnType<typeof struct.Struct.fromJavaScript>;
type Call<Request> = grpc.ServerUnaryCall<Request, unknown>;
type Callback<Response> = grpc.sendUnaryData<Response>;

export class Provider {
  readonly #pool = new Pool();
  readonly #operations = new Operations();
  readonly #types: Readonly<Record<string, ResourceType>>;
  #log: EngineLog;

  constructor(engine: string | undefined) {
    this.#log = connectEngineLog(engine ?? "");
    this.#types = {
      "command:remote:Command": remoteCommand(this.#pool),
      "command:remote:CopyToRemote": copyToRemote(this.#pool),
      "command:remote:CopyFile": copyFile(this.#pool),
      "command:local:Command": localCommand,
    };
  }

  /** Ends all operations and their processes, then closes all sessions. */
  async shutDown(): Promise<void> {
    await this.#operations.cancel();
    this.#pool.close();
  }

  /** Adds the service to a server. */
  addTo(server: grpc.Server): void {
    const { Empty } = empty;
    server.addService(services.ResourceProviderService, {
      handshake: unary((request: InstanceType<typeof messages.ProviderHandshakeRequest>) => {
        this.#log = connectEngineLog(request.getEngineAddress());
        const response = new messages.ProviderHandshakeResponse();
        response.setAcceptSecrets(true);
        return response;
      }),
      attach: unary((request: InstanceType<typeof plugins.PluginAttach>) => {
        this.#log = connectEngineLog(request.getAddress());
        return new Empty();
      }),
      getPluginInfo: unary(() => new plugins.PluginInfo().setVersion(version)),
      getSchema: unary(async (request: InstanceType<typeof messages.GetSchemaRequest>) => {
        if (request.getVersion() !== 0) throw new StepError("only version 0 of the schema's format is known");
        const schema = await readFile(new URL("schema.json", import.meta.url), "utf8");
        return new messages.GetSchemaResponse().setSchema(schema);
      }),
      checkConfig: unary((request: InstanceType<typeof messages.CheckRequest>) =>
        new messages.CheckResponse().setInputs(request.getNews()),
      ),
      diffConfig: unary(() =>
        new messages.DiffResponse().setChanges(messages.DiffResponse.DiffChanges.DIFF_NONE),
      ),
      configure: unary(() => {
        const response = new messages.ConfigureResponse();
        response.setAcceptsecrets(true);
        response.setSupportspreview(true);
        return response;
      }),
      getMapping: unary(() => new messages.GetMappingResponse()),
      getMappings: unary(() => new messages.GetMappingsResponse()),
      cancel: unary(() => {
        // Not awaited: each operation answers when its processes have ended.
        void this.#operations.cancel();
        return new Empty();
      }),
      check: unary((request: InstanceType<typeof messages.CheckRequest>) => this.#check(request)),
      diff: unary((request: InstanceType<typeof messages.DiffRequest>) => this.#diff(request)),
      create: unary((request: InstanceType<typeof messages.CreateRequest>, call) =>
        this.#create(request, call),
      ),
      read: unary((request: InstanceType<typeof messages.ReadRequest>) => {
        // The effect of a command cannot be read back, so the state is authoritative.
        const response = new messages.ReadResponse();
        response.setId(request.getId());
        response.setProperties(request.getProperties());
        response.setInputs(request.getInputs());
        return response;
      }),
      update: unary((request: InstanceType<typeof messages.UpdateRequest>, call) =>
        this.#update(request, call),
      ),
      delete: unary((request: InstanceType<typeof messages.DeleteRequest>, call) =>
        this.#delete(request, call),
      ),
      invoke: unary((request: InstanceType<typeof messages.InvokeRequest>, call) =>
        this.#invoke(request, call),
      ),
    });
  }

  async #check(request: InstanceType<typeof messages.CheckRequest>): Promise<unknown> {
    const checked = await this.#type(request.getUrn()).check(read(request.getNews()));
    const response = new messages.CheckResponse();
    response.setInputs(write(checked.inputs));
    response.setFailuresList(checked.faults.map(failure));
    return response;
  }

  #diff(request: InstanceType<typeof messages.DiffRequest>): unknown {
    const type = this.#type(request.getUrn());
    const before = type.comparable(read(request.hasOldInputs() ? request.getOldInputs() : request.getOlds()));
    const found = changes(before, type.comparable(read(request.getNews())));
    const { DIFF_NONE, DIFF_SOME } = messages.DiffResponse.DiffChanges;
    const response = new messages.DiffResponse();
    response.setChanges(found.length === 0 ? DIFF_NONE : DIFF_SOME);
    response.setDiffsList([...new Set(found.map(({ input }) => input))]);
    response.setReplacesList([
      ...new Set(found.map(({ input }) => input).filter((input) => type.replaces(input))),
    ]);
    response.setHasdetaileddiff(true);
    for (const { path, input, kind } of found) {
      const detail = new messages.PropertyDiff();
      detail.setKind(kinds(kind, type.replaces(input)));
      detail.setInputdiff(true);
      response.getDetaileddiffMap().set(path, detail);
    }
    return response;
  }

  async #create(
    request: InstanceType<typeof messages.CreateRequest>,
    call: Call<InstanceType<typeof messages.CreateRequest>>,
  ): Promise<unknown> {
    const type = this.#type(request.getUrn());
    const inputs = read(request.getProperties());
    const response = new messages.CreateResponse();
    if (request.getPreview()) {
      response.setProperties(write(previewed(type, inputs)));
      return response;
    }
    const outputs = await this.#run(request, call, (operation) => type.create(inputs, operation));
    response.setId(randomBytes(8).toString("hex"));
    response.setProperties(write(outputs));
    return response;
  }

  async #update(
    request: InstanceType<typeof messages.UpdateRequest>,
    call: Call<InstanceType<typeof messages.UpdateRequest>>,
  ): Promise<unknown> {
    const type = this.#type(request.getUrn());
    const inputs = read(request.getNews());
    const response = new messages.UpdateResponse();
    if (request.getPreview()) {
      response.setProperties(write(previewed(type, inputs)));
      return response;
    }
    const previous = read(request.getOlds());
    const outputs = await this.#run(request, call, (operation) => type.update(inputs, previous, operation));
    response.setProperties(write(outputs));
    return response;
  }

  async #delete(
    request: InstanceType<typeof messages.DeleteRequest>,
    call: Call<InstanceType<typeof messages.DeleteRequest>>,
  ): Promise<unknown> {
    const type = this.#type(request.getUrn());
    const previous = read(request.getProperties());
    const inputs = request.hasOldInputs() ? read(request.getOldInputs()) : previous;
    await this.#run(request, call, (operation) => type.delete(inputs, previous, operation));
    return new empty.Empty();
  }

  async #invoke(
    request: InstanceType<typeof messages.InvokeRequest>,
    call: Call<InstanceType<typeof messages.InvokeRequest>>,
  ): Promise<unknown> {
    if (request.getTok() !== "command:local:run") {
      throw new StepError(`there is no function ${request.getTok()}; there is command:local:run`);
    }
    const response = new messages.InvokeResponse();
    const args = read(request.getArgs());
    const faults = runFaults(args);
    if (faults.length > 0) response.setFailuresList(faults.map(failure));
    else if (hasUnknown(args)) response.setReturn(write({ ...args, stdout: unknown, stderr: unknown }));
    else {
      const timing = { getUrn: () => "", getTimeout: () => 0 };
      response.setReturn(write(await this.#run(timing, call, (operation) => localRun(args, operation))));
    }
    return response;
  }

  /** Runs one operation under its timeout; the log has all of its lines before this resolves. */
  async #run<T>(
    request: { getUrn(): string; getTimeout(): number },
    call: { on(event: "cancelled", listener: () => void): unknown },
    work: (operation: Operation) => Promise<T>,
  ): Promise<T> {
    const urn = request.getUrn();
    try {
      return await this.#operations.run(request.getTimeout(), (signal, abort) => {
        call.on("cancelled", abort);
        return work({ urn, signal, log: logFor(this.#log, urn) });
      });
    } finally {
      await this.#log.flush();
    }
  }

  #type(urn: string): ResourceType {
    // urn:pulumi:STACK::PROJECT::PARENT_TYPE$TYPE::NAME
    const name = urn.split("::")[2]?.split("$").at(-1) ?? "";
    const type = this.#types[name];
    if (type) return type;
    throw new StepError(
      `there is no resource type ${name}; there are ${Object.keys(this.#types).join(", ")}`,
    );
  }
}

function previewed(type: ResourceType, inputs: Properties): Properties {
  return { ...inputs, ...Object.fromEntries(type.unknownOutputs(inputs).map((output) => [output, unknown])) };
}

function kinds(
  kind: Kind,
  replaces: boolean,
): InstanceType<typeof messages.PropertyDiff>["getKind"] extends () => infer K ? K : never {
  const all = messages.PropertyDiff.Kind;
  if (kind === "add") return replaces ? all.ADD_REPLACE : all.ADD;
  if (kind === "delete") return replaces ? all.DELETE_REPLACE : all.DELETE;
  return replaces ? all.UPDATE_REPLACE : all.UPDATE;
}

function failure({ property, reason }: Fault): InstanceType<typeof messages.CheckFailure> {
  return new messages.CheckFailure().setProperty(property).setReason(reason);
}

function read(properties: Struct | undefined): Properties {
  return properties?.toJavaScript() ?? {};
}

function write(properties: Properties): Struct {
  // Absent and undefined are the same, and a struct cannot contain undefined.
  const entries = Object.entries(properties).filter(
    (entry: [string, Value | undefined]) => entry[1] !== undefined,
  );
  return struct.Struct.fromJavaScript(Object.fromEntries(entries));
}

/** Makes a method of the service from a function that returns its answer or throws. */
function unary<Request, Response>(
  answer: (request: Request, call: Call<Request>) => Response | Promise<Response>,
): (call: Call<Request>, callback: Callback<Response>) => void {
  return (call, callback) => {
    const run = async (): Promise<Response> => answer(call.request, call);
    run().then(
      (response) => callback(null, response),
      (error: unknown) => callback(serviceError(error)),
    );
  };
}

/** Converts an error for gRPC. An unexpected error is a bug of this plugin, so it includes its stack. */
function serviceError(error: unknown): Partial<grpc.ServiceError> {
  if (error instanceof StepError) return { code: grpc.status.FAILED_PRECONDITION, details: error.message };
  const details = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    code: grpc.status.UNKNOWN,
    details: `a fault in the command plugin, please report it: ${details}`,
  };
}
