"""Ids and names of runs and deployments, computed from what they stand for.

The id of a scheduled run follows from deployment, schedule and instant, and its name from the id. So two schedulers,
a restart or a redeploy never make a run twice, and a preview shows ids and names of runs that do not exist yet.
"""

from datetime import UTC, datetime
from uuid import UUID, uuid4, uuid5

# Never to be changed: every id of every installation is made under it.
NAMESPACE = UUID("6f1c0c1e-6c83-5d0e-9a52-3e8f4b5d7a10")

A_QUALITY = (
    "able amber ample apt arctic arid autumn azure balmy bold brave brief bright brisk broad bronze busy calm candid "
    "careful casual cedar chief chilly civil classic clean clear clever cloudy coastal cobalt cool copper coral "
    "cosmic crisp curious daily dapper daring deep deft dense direct distant dusty eager early earnest easy elder "
    "elegant even exact fair famous fancy fast fine firm fleet fluent focal fond frank free fresh frosty gentle "
    "genuine giant gifted glad golden grand grateful green handy happy hardy hazel helpful honest humble icy ideal "
    "indigo ivory jade jolly keen kind large lasting level light limber little lively lofty loud loyal lucid lucky "
    "lunar magic maple marble mellow merry mild mindful misty modern modest narrow native neat nimble noble northern "
    "novel oaken ochre olive opal open orange orderly patient pearl placid plain polar polite prime proud pure quick "
    "quiet rapid rare ready regal ripe robust rocky round royal ruby rural rustic sage salty sandy scarlet secure "
    "serene sharp shiny silent silver simple sleek slim smart smooth snowy sober solar solid southern spare spring "
    "stable steady stellar stoic stout strong subtle summer sunny super supple swift teal tender tidal tidy timber "
    "tough tranquil true trusty upbeat urban valid vast velvet vivid warm wary western wide wild windy winter wise "
    "witty woven young zesty"
)
AN_ANIMAL = (
    "adder akita alpaca ant antelope auk avocet badger barb bat bear beaver bee beetle bison bittern boar bobcat "
    "bongo bonobo budgie bulldog bunting buzzard camel canary caracal caribou cat catfish chamois cheetah chough "
    "cicada civet clam cobra cod collie condor coot cougar cow coyote crab crane cricket crow cuckoo curlew deer "
    "dingo dipper dodo dog dolphin donkey dove dragonfly drake drongo duck dugong dunlin eagle echidna eel egret "
    "eider eland elephant elk emu ermine falcon ferret finch firefly flamingo fly fossa fox frog gannet gar gazelle "
    "gecko gerbil gibbon giraffe gnu goat goby goose gopher goral grebe grouse gull guppy haddock hare harrier hawk "
    "hedgehog heron herring hippo hornet horse hound husky hyena ibex ibis iguana impala jackal jackdaw jaguar jay "
    "kakapo kestrel kite kiwi koala kudu ladybug lapwing lark lemming lemur leopard lion lizard llama lobster locust "
    "loon lynx macaw magpie mallard manatee mantis marlin marmot marten merlin mink mole monkey moose moth mouse "
    "mule mussel narwhal newt nutria ocelot octopus okapi opossum orca oriole osprey ostrich otter owl ox oyster "
    "panda panther parrot partridge pelican penguin perch pika pike plover pony poodle puffin puma python quail "
    "quokka rabbit raccoon ram raven ray rhino robin rook salmon sardine seal shark sheep shrew shrimp skunk skylark "
    "sloth snail snipe sparrow squid squirrel starling stoat stork swallow swan swift tapir teal tern thrush tiger "
    "toad toucan trout tuna turtle urchin viper vole vulture wallaby walrus warbler wasp weasel whale wigeon wolf "
    "wombat wren yak zebra"
)
ADJECTIVES = tuple(A_QUALITY.split())
ANIMALS = tuple(AN_ANIMAL.split())


def deployment_id(flow: str, name: str) -> str:
    """The id of the deployment `flow/name`: the same wherever and whenever it is created."""
    return str(uuid5(NAMESPACE, f"{flow}/{name}"))


def scheduled_run_id(deployment: str, slug: str, instant: datetime) -> str:
    """The id of the run that a schedule of a deployment makes for an instant (an aware time)."""
    return str(uuid5(UUID(deployment), f"{slug}/{instant.astimezone(UTC).isoformat()}"))


def new_run_id() -> str:
    """The id of a run that a person or program asks for: another one each time."""
    return str(uuid4())


def run_name(run_id: str) -> str:
    """Two words and a number that follow from the id, for people to tell runs apart: `brisk-otter-42`."""
    number = int(run_id.replace("-", ""), 16)
    number, digits = divmod(number, 100)
    number, animal = divmod(number, len(ANIMALS))
    return f"{ADJECTIVES[number % len(ADJECTIVES)]}-{ANIMALS[animal]}-{digits:02}"


def ids_of_name(name: str) -> tuple[int, int] | None:
    """What the ids of all runs of a name have in common: `UUID(id).int % first == second`; None for no name of ours."""
    adjective, _, rest = name.partition("-")
    animal, _, digits = rest.partition("-")
    if adjective not in ADJECTIVES or animal not in ANIMALS or not (len(digits) == 2 and digits.isdecimal()):
        return None
    words = ADJECTIVES.index(adjective) * len(ANIMALS) + ANIMALS.index(animal)
    return len(ADJECTIVES) * len(ANIMALS) * 100, words * 100 + int(digits)
